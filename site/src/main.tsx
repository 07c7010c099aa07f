import { render } from 'preact';
import { App } from './app';
import { prepare } from './printed';
import { currentReader, startReader } from './reader/store';
import { startRouter } from './router';
import './styles/base.css';
import './styles/masthead.css';
import './styles/front.css';
import './styles/article.css';
import './styles/lists.css';
import './styles/account.css';
import './styles/side.css';
import './styles/art.css';
import { startSending } from './telemetry/courier';
import { markDocument } from './text/language';

async function start(paper: HTMLElement): Promise<void> {
  markDocument();
  startSending();
  await startReader();
  await prepare(currentReader(), paper);
  startRouter();
  paper.replaceChildren();
  delete paper.dataset['printed'];
  render(<App />, paper);
}

const paper = document.getElementById('paper');
if (paper) void start(paper);
