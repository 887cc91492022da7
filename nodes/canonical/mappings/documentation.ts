/** What mappings can say and what is shipped, as a page generated from the code. */
import type { Side } from '../mapping/mapping.ts';
import { transforms } from '../mapping/transforms.ts';
import type { MappingLibrary } from './library.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const sideOf = (side: Side): string => ('entity' in side ? `canonical ${side.entity}` : side.name || side.format);

const language = `# Mappings

A mapping is a JSON file. Those of the package are in \`nodes/canonical/mappings/assets\`; yours go into
\`healthflows/mappings/\` of Node-RED's user directory, lookup tables into \`healthflows/mappings/lookups/\` (the file name
is the table's name). One with the id of a shipped one takes its place. They are read when a flow is deployed.

\`\`\`json
{
  "id": "acme-order-to-order",
  "version": "1.0.0",
  "title": "Acme's order to canonical order",
  "source": { "format": "json", "name": "order" },
  "target": { "entity": "order", "version": "1.0.0" },
  "asOf": "date",
  "rows": [
    { "from": "no", "to": "number", "transforms": ["text", "trim"], "required": true },
    { "from": "items[].unit", "to": "lines[].quantity.unit", "lookup": "unit-to-ucum", "required": true }
  ]
}
\`\`\`

## Sides

A side is an entity of the canonical model (\`{"entity": "order", "version": "1.0.0"}\`) or a document:
\`{"format": …, "name": …, "options": …}\` with the format \`json\`, \`odoo\`, \`fhir\`, \`xml\`, \`csv\`, \`x12\` or \`hl7v2\`.
Options: \`encoding\` (character set of bytes, default UTF-8 or what an XML declaration or byte order mark says);
CSV \`separator\`, \`columns\`, \`groupBy\`, \`group\`; XML writing \`namespace\`, \`leaf\`, \`group\`; X12 \`transaction\`,
\`separator\`, \`component\`, \`terminator\`, \`newline\`; HL7 v2 \`message\`.

## Rows

| Part | Meaning |
|---|---|
| from | path that is read; a list of paths where the first transform takes several values; \`$index\` is the item's position from 1 |
| value | a constant in place of \`from\` |
| jsonata | a JSONata expression in place of \`from\`, for what rows cannot say; it sees the document, or the item of \`each\`, and \`$document\` and \`$index\`. It runs in a process of its own, at most 1 s a document (\`jsonataBudget\`, milliseconds), 64 MiB and 1 MiB of results; calculated decimals are refused, and there is no way back |
| to | path that is filled. Several rows for one field: the first that has a value |
| each | the source's list for a target in a list, where \`from\` does not tell. Two loops flatten: \`orders[].lines[]\` |
| when | condition \`{path, is, value}\` with \`is\` one of present, absent, equal, not-equal, one-of |
| transforms | names, or objects with a name and arguments, in order |
| lookup | table that translates the value after the transforms. A value it does not have is an error |
| default | taken when the source has nothing |
| required | the source must have something |
| onError | fail (the document is refused, the default), skip (the field is left out), default. Not with a lookup |
| direction | both (default), forward, or reverse: a row that is only used for the derived way back |
| note, source, accepted | why the row is as it is, where it comes from, who accepted a suggestion and when, with its score in percent and its reasons |

## Paths

| Path | Names |
|---|---|
| \`supplier.code\` | a field |
| \`lines[].sku\` | the field of every item |
| \`identifiers[type=GLN].value\` | the item whose \`type\` is \`GLN\`; as a target it is made |
| \`N1Loop[N1.01=ST].N3.01\` | the same, looking deeper |
| \`notes[0]\` | the item at a position, from 0; only for reading |
| \`PriceAmount.@currencyID\`, \`PriceAmount.#text\` | attribute and text of an XML element |
| \`PO1Loop[].PO1.02\`, \`PO1Loop[].PO1.ids[q=VN].v\` | element of an X12 segment, product id by its qualifier |
| \`ORCLoop[].RQD.2.1\` | component of an HL7 v2 field; fields and components count from 1 |

A list where one value is expected is an error unless it has one item: nothing is dropped silently. A mapping that misses
a required field of the model, or names one that it does not have, is not deployed.
`;

export function mappingsPage(library: MappingLibrary): string {
  const steps = Object.entries(transforms).map(([name, transform]) => {
    const args = Object.entries(transform.arguments ?? {}).map(
      ([key, { description, required }]) => `\`${key}\`${required === true ? '' : ' (optional)'}: ${description}`,
    );
    return `| ${name} | ${transform.takes} | ${transform.gives} | ${cell([transform.description, ...args].join(' '))} | ${transform.inverse === undefined ? '' : 'yes'} |`;
  });
  const shipped = library
    .list()
    .map(
      ({ id, version, title, source, target }) =>
        `| ${id} | ${version} | ${cell(title)} | ${cell(sideOf(source))} | ${cell(sideOf(target))} |`,
    );
  const tables = [...library.tables()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, table]) =>
        `| ${name} | ${table.version ?? ''} | ${cell(table.owner ?? '')} | ${cell(table.title ?? '')} | ${table.entries.length} |`,
    );
  return [
    language,
    '## Transforms',
    '',
    '| Name | Takes | Gives | Does | Way back |',
    '|---|---|---|---|---|',
    ...steps,
    '',
    '## Shipped mappings',
    '',
    '| Id | Version | Does | From | To |',
    '|---|---|---|---|---|',
    ...shipped,
    '',
    '## Shipped lookup tables',
    '',
    'The names of Odoo units are those of the sandbox and of a fresh Odoo; put a table of your own in their place.',
    '',
    '| Name | Version | Owner | What | Entries |',
    '|---|---|---|---|---|',
    ...tables,
    '',
  ].join('\n');
}
