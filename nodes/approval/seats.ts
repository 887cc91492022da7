/**
 * How many approvals a request needs and from whom: each seat is taken by one person, and nobody takes two. So
 * "buyer; finance" is four eyes, and somebody who is both counts once.
 */

export interface Voter {
  person: string;
  /** Their own name first, then those they stand in for. */
  authorities: readonly string[];
}

/** Seats of one request at most. */
export const seatLimit = 5;

/**
 * The best way to seat the voters. No authority is used twice either: two stand-ins of one absent person are not two
 * approvals.
 * @returns the number of seats taken
 */
export function seatsTaken(seats: readonly (readonly string[])[], voters: readonly Voter[]): number {
  const people = new Set<string>();
  const authorities = new Set<string>();
  const best = (seat: number): number => {
    if (seat === seats.length) return 0;
    let most = best(seat + 1);
    for (const { person, authorities: own } of voters) {
      if (people.has(person) || most === seats.length - seat) continue;
      for (const authority of own) {
        if (authorities.has(authority) || !seats[seat]!.includes(authority)) continue;
        people.add(person);
        authorities.add(authority);
        most = Math.max(most, 1 + best(seat + 1));
        people.delete(person);
        authorities.delete(authority);
      }
    }
    return most;
  };
  return best(0);
}
