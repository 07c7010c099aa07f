import { Asking, Notice } from './asking';
import { KeyForm } from './KeyForm';
import { Curves } from './panels/Curves';
import { DeadLetters } from './panels/DeadLetters';
import { Flows } from './panels/Flows';
import { Header } from './panels/Header';
import { Lines } from './panels/Lines';
import { Models } from './panels/Models';
import { Namespaces } from './panels/Namespaces';
import { Partitions } from './panels/Partitions';
import { Serving } from './panels/Serving';
import { TimeMachine } from './panels/TimeMachine';
import { useLive } from './store';
import { words } from './text';

/** The page: what is so now above, what can be done below. */
export function App() {
  const locked = useLive((live) => live.phase.name === 'locked');
  return (
    <>
      <a class="skip" href="#main">
        {words.skip}
      </a>
      <Header />
      <Notice />
      <main id="main" tabIndex={-1}>
        {locked ? <KeyForm /> : <Panels />}
      </main>
      <footer>{words.utc}</footer>
      <Asking />
    </>
  );
}

function Panels() {
  return (
    <>
      <Curves />
      <Flows />
      <div class="column">
        <Partitions />
        <Namespaces />
        <Models />
      </div>
      <div class="column column-wide-apart">
        <Serving />
        <Lines />
      </div>
      <DeadLetters />
      <TimeMachine />
    </>
  );
}
