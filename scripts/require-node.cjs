// Preloaded by the npm scripts (node -r). Plain JavaScript that any Node understands, because an old one stops at the
// first line of a .ts file with an error that explains nothing.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 13)) {
  console.error(
    `This needs Node.js 22.13 or newer and runs under ${process.version}.
The project brings its own Node.js as the development dependency "node", whose install script was not run.
Run:  npm rebuild node --ignore-scripts=false
(npm 12 and newer run it only for packages under "allowScripts" in package.json.)`,
  );
  process.exit(1);
}
