import { render } from 'preact';
import { App } from './app';
import { startRouter } from './router';
import './styles/base.css';
import './styles/masthead.css';
import './styles/front.css';
import './styles/article.css';
import './styles/account.css';
import './styles/art.css';
import { sendUnsent } from './telemetry/courier';

startRouter();
sendUnsent();
window.addEventListener('online', sendUnsent);

const paper = document.getElementById('paper');
if (paper) render(<App />, paper);
