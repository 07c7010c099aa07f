import { expect, test } from 'vitest';
import { EventParser } from './sse';

const STREAM = ': hello\n\nevent: history\ndata: {"a":1}\n\nevent: snapshot\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\n\nid: 4\n\n';
const EVENTS = [
  { name: 'history', data: '{"a":1}' },
  { name: 'snapshot', data: 'one\ntwo' },
  { name: 'message', data: 'bare' },
];

test('events are read whole: comments, other fields and empty ones give nothing', () => {
  expect(new EventParser().push(STREAM)).toEqual(EVENTS);
});

test('a stream gives the same events wherever it is cut', () => {
  for (const size of [1, 2, 3, 7, 16]) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...parser.push(STREAM.slice(at, at + size)), ...parser.push(''));
    expect(events).toEqual(EVENTS);
  }
});

test('what has not ended is not given', () => {
  const parser = new EventParser();
  expect(parser.push('data: half')).toEqual([]);
  expect(parser.push('\n')).toEqual([]);
  expect(parser.push('\n')).toEqual([{ name: 'message', data: 'half' }]);
});

test('a line without an end is refused', () => {
  const parser = new EventParser();
  const piece = 'x'.repeat(4 * 1024 * 1024);
  parser.push(piece);
  expect(() => {
    parser.push(piece);
    parser.push(piece);
  }).toThrow(/does not end/);
});
