/** Figures as an engineer reads them. What is not known is a dash. */

const NONE = '–';
type Figure = number | null | undefined;
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

const known = (value: Figure): value is number => typeof value === 'number' && Number.isFinite(value);

export const count = (value: Figure): string => (known(value) ? whole.format(value) : NONE);

/** Three digits and no more: 0.4, 12, 1.2k, 3.4M. */
export function rate(value: Figure): string {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 999_500) return `${short(value / 1e6)}M`;
  if (size >= 9_995) return `${short(value / 1e3)}k`;
  return size < 10 && size !== 0 ? short(value) : whole.format(value);
}

const short = (value: number): string => (Math.abs(value) >= 99.5 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ''));

export const share = (value: Figure): string => (known(value) ? `${Math.round(value * 100)} %` : NONE);

export function milliseconds(value: Figure): string {
  if (!known(value)) return NONE;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

const parsed = (time: string | null | undefined): Date | undefined => {
  if (!time) return undefined;
  const date = new Date(/(?:z|[+-]\d\d:?\d\d)$/i.test(time) ? time : `${time}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
};

/** All times of the page are UTC, as in the program's log. */
export const moment = (time: string | null | undefined): string => parsed(time)?.toISOString().slice(0, 19).replace('T', ' ') ?? NONE;

/** The time of day, with the day where that is not the day of `today`. */
export const clock = (time: string | null | undefined, today = Date.now()): string => {
  const text = moment(time);
  return text.startsWith(new Date(today).toISOString().slice(0, 10)) ? text.slice(11) : text;
};

export const bytes = (value: Figure): string => {
  if (!known(value)) return NONE;
  return value < 1024 ? `${value} B` : value < 1024 * 1024 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / 1024 / 1024).toFixed(1)} MiB`;
};

export const seconds = (ms: number): string => (ms < 59_500 ? `${Math.max(0, Math.round(ms / 1000))} s` : `${Math.round(ms / 60_000)} min`);
