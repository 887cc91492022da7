import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function print(title: string, rows: readonly object[]): void {
  console.log(`\n${title}`);
  console.table(rows);
}

/** Keeps a bench's figures as JSON in `.test-output/bench/`. */
export function publish(name: string, figures: object): void {
  const folder = fileURLToPath(new URL('../.test-output/bench', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}.json`, `${JSON.stringify({ at: new Date().toISOString(), ...figures }, null, 2)}\n`);
}
