/**
 * Matches a routing key against a binding key of a topic exchange (AMQP 0-9-1 section 3.1.3.3): words between dots,
 * `*` stands for exactly one word, `#` for none or more.
 */
export function matchesTopic(bindingKey: string, routingKey: string): boolean {
  if (bindingKey === '#' || bindingKey === routingKey) return true;
  return matches(bindingKey.split('.'), routingKey.split('.'));
}

/** Walks both from the left and remembers the last `#`, so that the work is at most the product of the lengths. */
function matches(pattern: readonly string[], words: readonly string[]): boolean {
  let p = 0;
  let w = 0;
  let hash = -1;
  let resumeAt = 0;
  while (w < words.length) {
    if (pattern[p] === '#') {
      hash = p++;
      resumeAt = w;
    } else if (p < pattern.length && (pattern[p] === '*' || pattern[p] === words[w])) {
      p++;
      w++;
    } else if (hash >= 0) {
      p = hash + 1;
      w = ++resumeAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === '#') p++;
  return p === pattern.length;
}
