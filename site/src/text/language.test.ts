import { describe, expect, it } from 'vitest';
import { LANGUAGES } from './language';
import { words as danish } from './da';
import { words as english } from './en';
import { listed, whyIn } from './words';

/** The names of all texts, and whether each is a text or makes one. */
function shape(words: object, under = ''): string[] {
  return Object.entries(words).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null ? shape(value as object, `${under}${name}.`) : [`${under}${name}: ${typeof value}`],
  );
}

describe('the languages', () => {
  it('are found by their files alone', () => {
    expect(LANGUAGES).toEqual([
      ['da', 'Dansk'],
      ['en', 'English'],
    ]);
  });

  it('have the same texts', () => {
    expect(shape(danish)).toEqual(shape(english));
  });
});

describe('why a card is there', () => {
  it('is put into the language where the sentence is known', () => {
    expect(whyIn('Because you read “Rain, again”', danish)).toBe('Fordi du læste “Rain, again”');
    expect(whyIn('Readers of “A $1 question” go on to this', danish)).toBe('Læsere af “A $1 question” går videre til denne');
    expect(whyIn('Because you chose Science', danish)).toBe('Fordi du valgte Science');
    expect(whyIn('Just published', danish)).toBe('Netop udgivet');
  });

  it('is left as it is otherwise, and in English', () => {
    expect(whyIn('The editor likes it', danish)).toBe('The editor likes it');
    expect(whyIn('Because you read “Rain”', english)).toBe('Because you read “Rain”');
  });
});

describe('a list of names', () => {
  it('has "and" before the last', () => {
    expect(listed([], 'and')).toBe('');
    expect(listed(['World'], 'and')).toBe('World');
    expect(listed(['World', 'Sport', 'Crime'], 'and')).toBe('World, Sport and Crime');
  });
});
