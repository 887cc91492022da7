/** Who is who: names as people and systems write them, lists of them, and who stands in for whom. */

/**
 * The form in which two names are the same person. Node-RED's login, a requisition and a policy file seldom agree on
 * capitals, and `Anna` must not be able to approve what `anna` has asked for.
 */
export function personKey(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase();
}

/** `buyers, anna` with groups resolved; each person once, in order. */
export function peopleOf(text: string, groups: Readonly<Record<string, readonly string[]>>): string[] {
  const people = text
    .split(/[,\n]/)
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .flatMap((name) => (Object.hasOwn(groups, name) ? groups[name]! : [name]))
    .map(personKey)
    .filter((name) => name !== '');
  return [...new Set(people)];
}

export interface Delegation {
  id: string;
  from: string;
  to: string;
  /** Empty: for every process. */
  process: string;
  /** Milliseconds since the epoch; `endsAt` is the first moment at which it no longer holds. */
  startsAt: number;
  endsAt: number;
  madeBy: string;
  reason: string;
  madeAt: number;
  endedAt: number | null;
}

/** People between the one who is away and the one who decides. A stand-in's stand-in may be away too; no further. */
export const longestChain = 3;

export function holds({ startsAt, endsAt, endedAt }: Delegation, now: number): boolean {
  return endedAt === null && startsAt <= now && now < endsAt;
}

/**
 * Whose authority a person has now: their own, and that of everybody they stand in for, nearest first. Nobody's
 * authority passes through `except`: the requester neither decides nor lends their authority over their own request.
 */
export function authoritiesOf(
  person: string,
  delegations: readonly Delegation[],
  process: string,
  now: number,
  except?: string,
): string[] {
  if (person === except) return [];
  const authorities = [person];
  let ring = [person];
  for (let step = 0; step < longestChain && ring.length > 0; step++) {
    const next: string[] = [];
    for (const { from, to, process: only, ...period } of delegations) {
      if (!ring.includes(to) || from === except || authorities.includes(from)) continue;
      if (only !== '' && only !== process) continue;
      if (!holds({ from, to, process: only, ...period }, now)) continue;
      authorities.push(from);
      next.push(from);
    }
    ring = next;
  }
  return authorities;
}

/** Whether `to` already hands on to `from` while the new delegation holds: a circle in which nobody decides. */
export function closesCircle(
  wanted: Pick<Delegation, 'from' | 'to' | 'process' | 'startsAt' | 'endsAt'>,
  delegations: readonly Delegation[],
): boolean {
  const together = delegations.filter(
    (one) =>
      one.endedAt === null &&
      one.startsAt < wanted.endsAt &&
      wanted.startsAt < one.endsAt &&
      (one.process === '' || wanted.process === '' || one.process === wanted.process),
  );
  const seen = new Set<string>();
  const ahead = [wanted.to];
  for (let person = ahead.pop(); person !== undefined; person = ahead.pop()) {
    if (person === wanted.from) return true;
    if (seen.has(person)) continue;
    seen.add(person);
    for (const { from, to } of together) if (from === person) ahead.push(to);
  }
  return false;
}
