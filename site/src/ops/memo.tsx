import { Component } from 'preact';
import type { ComponentChild, FunctionComponent } from 'preact';

/** A component that is drawn again only when one of its properties is another. */
export function memo<P extends object>(Inner: FunctionComponent<P>): new (props: P) => Component<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const [before, after] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys({ ...before, ...after }).some((name) => !Object.is(before[name], after[name]));
    }

    override render(): ComponentChild {
      return <Inner {...(this.props as P)} />;
    }
  };
}
