/** Where a process can die between a claim and the answer; `any`: killed from outside, wherever it is. */
export const points = [
  'claim-before-commit',
  'claim-committed',
  'work-done',
  'completion-before-effect',
  'completion-before-commit',
  'completion-committed',
  'replied',
  'any',
] as const;

export type Point = (typeof points)[number] | 'none';
