/** Server-sent events out of a stream of text: `EventSource` can send no key. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** The longest line that is taken, in characters: what never ends is not kept. */
const LONGEST_LINE = 8 * 1024 * 1024;

/** Takes text as it comes, cut anywhere, and gives the events that are whole. */
export class EventParser {
  private rest = '';
  private name = '';
  private data: string[] = [];
  private afterReturn = false;

  /** Throws where a line grows beyond all bounds. */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    // A line feed that follows a carriage return of the text before belongs to it.
    let rest = this.rest + (this.afterReturn && text.startsWith('\n') ? text.slice(1) : text);
    if (text !== '') this.afterReturn = text.endsWith('\r');
    for (;;) {
      const end = /\r\n|\r|\n/.exec(rest);
      if (!end) break;
      const event = this.line(rest.slice(0, end.index));
      if (event) events.push(event);
      rest = rest.slice(end.index + end[0].length);
    }
    if (rest.length > LONGEST_LINE) throw new Error('a line of the stream does not end');
    this.rest = rest;
    return events;
  }

  private line(line: string): ServerEvent | undefined {
    if (line === '') {
      const event = this.data.length > 0 ? { name: this.name || 'message', data: this.data.join('\n') } : undefined;
      this.name = '';
      this.data = [];
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.name = value;
    if (field === 'data') this.data.push(value);
    return undefined;
  }
}
