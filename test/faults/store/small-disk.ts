import { execFileSync } from 'node:child_process';
import { removeDirectory, temporaryDirectory } from '../../support/processes.ts';

/** A file system of 8 MiB; undefined where mounting is not permitted. */
export function smallDisk(): ({ path: string } & Disposable) | undefined {
  const path = temporaryDirectory('disk');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path], { stdio: 'pipe' });
  } catch {
    removeDirectory(path);
    return undefined;
  }
  return {
    path,
    [Symbol.dispose]() {
      execFileSync('umount', ['-l', path]);
      removeDirectory(path);
    },
  };
}
