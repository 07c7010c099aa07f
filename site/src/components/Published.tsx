import { clock, moment, shortDate } from '../text/words';

/** When an article came out, in short. */
export function Published({ time }: { time: string }) {
  const date = moment(time);
  if (!date) return null;
  return (
    <time class="published" dateTime={date.toISOString()}>
      {shortDate(date)}, {clock(date)}
    </time>
  );
}
