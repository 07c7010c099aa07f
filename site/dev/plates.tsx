/** All motifs side by side, to look at while cutting new ones: `npm run dev`, then /dev/plates.html. */
import { render } from 'preact';
import { Illustration } from '../src/art/Illustration';
import '../src/styles/base.css';
import '../src/styles/art.css';
import './plates.css';

const SECTIONS = ['Weather', 'Crime', 'Sport', 'Science', 'Technology', 'Business', 'Culture', 'Politics', 'World', 'Health', 'Travel', 'Nature', 'Opinion', 'NWS', 'Other'];
const IDS = [9700000, 9700001, 9700002, 9700003, 9700004, 9700005, 9700006, 9700007];

const plates = document.getElementById('plates');
if (plates) {
  render(
    SECTIONS.map((section) => (
      <section key={section}>
        <h2>{section}</h2>
        <div class="plates">
          {IDS.map((id) => (
            <Illustration key={id} id={id} category={section} fine={location.hash === '#fine'} />
          ))}
        </div>
      </section>
    )),
    plates,
  );
}
