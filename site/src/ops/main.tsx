import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/top.css';
import './styles/curves.css';
import './styles/flow.css';
import './styles/tables.css';
import './styles/machine.css';
import './styles/panels.css';
import { App } from './App';
import { connect } from './store';
import { language } from './text';

document.documentElement.lang = language;
const root = document.getElementById('ops');
if (root) render(<App />, root);
connect();
