import { useEffect, useRef, useState } from 'preact/hooks';
import { setKey } from './key';
import { connect, useLive } from './store';
import { words } from './text';

/** Asks for the admin key, in the place of everything that it would open. */
export function KeyForm() {
  const refused = useLive((live) => live.phase.name === 'locked' && live.phase.refused);
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState('');
  useEffect(() => field.current?.focus(), []);
  const use = (event: SubmitEvent): void => {
    event.preventDefault();
    const key = typed.trim();
    if (key === '') return;
    setKey(key);
    connect();
  };
  return (
    <form class="key" onSubmit={use} aria-labelledby="key-title">
      <h2 id="key-title">{words.keyTitle}</h2>
      <p id="key-why">{words.keyWhy}</p>
      {refused && (
        <p class="refused" role="alert">
          {words.keyRefused}
        </p>
      )}
      <label for="key">{words.keyLabel}</label>
      <div class="asked">
        <input ref={field} id="key" type="password" autocomplete="off" required aria-describedby="key-why" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        <button type="submit" class="strong">
          {words.keyUse}
        </button>
      </div>
    </form>
  );
}
