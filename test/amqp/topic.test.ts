import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesTopic } from '../../nodes/amqp/engines/embedded/topic.ts';

/** The definition, word by word, without any cleverness. */
function bySpecification(pattern: readonly string[], words: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return words.length === 0;
  if (head === '#')
    return bySpecification(rest, words) || (words.length > 0 && bySpecification(pattern, words.slice(1)));
  return words.length > 0 && (head === '*' || head === words[0]) && bySpecification(rest, words.slice(1));
}

test('binding keys match as AMQP 0-9-1 defines them', () => {
  for (const [binding, key, expected] of [
    ['order.*', 'order.created', true],
    ['order.*', 'order', false],
    ['order.*', 'order.line.created', false],
    ['order.#', 'order', true],
    ['#', '', true],
    ['*', '', true],
    ['#.created', 'a.b.created', true],
    ['a.#.b.#.c', 'a.x.b.c', true],
    ['a.#.b.#.c', 'a.x.c', false],
  ] as const) {
    assert.equal(matchesTopic(binding, key), expected, `${binding} on ${key}`);
  }
});

test('matching agrees with the definition for any keys', () => {
  const key = (words: readonly string[]) => fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 7 });
  fc.assert(
    fc.property(key(['a', 'b', '*', '#']), key(['a', 'b', 'c']), (pattern, words) => {
      assert.equal(matchesTopic(pattern.join('.'), words.join('.')), bySpecification(pattern, words));
    }),
    { numRuns: 3_000 },
  );
});
