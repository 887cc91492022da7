/** The model in words, generated from the schemas: one page an entity. */
import { type EntitySchema, entities, type JsonSchema } from '../schemas/index.ts';
import { commonId } from '../schemas/common.ts';
import { commonSchema } from '../schemas/index.ts';
import { type Field, fieldsOf } from './fields.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

function typeOf(field: Field): string {
  if (field.type === 'array') return 'list';
  if (field.type === 'object') return field.refersTo === undefined ? 'group' : `pointer to ${field.refersTo}`;
  return field.format ?? field.type;
}

/** Depth of `a.b[].c` is 2. */
const depthOf = (path: string): number => path.split('.').length - 1;

/** One entity as a Markdown page. Fields of pointers and of the common header are told once, in the overview. */
export function pageOf(entity: EntitySchema): string {
  const fields = fieldsOf(entity).filter(({ path }) => !/^(meta|ext|identifiers)(\.|\[|$)/.test(path) && path !== 'id');
  const pointers = fields.filter(({ refersTo }) => refersTo !== undefined).map(({ path }) => path);
  const rows = fields
    .filter(({ path }) => !path.endsWith('[]') && !pointers.some((pointer) => path.startsWith(`${pointer}.`)))
    .map((field) => {
      const name = `${'&nbsp;&nbsp;'.repeat(depthOf(field.path))}${field.path.split('.').at(-1)}${field.type === 'array' ? '[]' : ''}`;
      const list =
        field.values === undefined ? '' : ` One of: ${field.values.map((value) => `\`${value}\``).join(', ')}.`;
      return `| ${name} | ${typeOf(field)} | ${field.required ? 'yes' : ''} | ${field.sensitivity ?? ''} | ${cell(field.description + list)} |`;
    });
  return [
    `# ${entity.title}`,
    '',
    `${entity.schema.description}`,
    '',
    `- Schema: \`${entity.id}\``,
    `- Business key (event subject): ${entity.businessKey.map((field) => `\`${field}\``).join(' / ')}`,
    `- Keeps its order by: ${entity.partitionKey.map((field) => `\`${field}\``).join(' / ')}`,
    '',
    '| Field | Type | Required | Class | Meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** The page that leads to the others. */
export function overview(): string {
  return [
    '# The canonical model',
    '',
    'Generated from the schemas in `nodes/canonical/schemas`. Each entity has a page; the schemas of every published',
    'version are in `schemas/`.',
    '',
    '| Entity | Version | What it is |',
    '|---|---|---|',
    ...entities.map(
      (e) => `| [${e.title}](${e.name}.md) \`${e.name}\` | ${e.version} | ${cell(String(e.schema.description))} |`,
    ),
    '',
    'Every entity also has `id` (canonical id), `identifiers` (every name by which systems know it), `meta` (schema,',
    'source, mapping, highest class) and `ext` (what the model has no field for, each key under a namespace).',
    '',
    'A pointer names another entity by its canonical `id` or by `identifiers`, a list of `{type, value, system?}`. Money is',
    '`{amount, currency}`, a quantity `{value, unit, pack?}`; amounts and values are decimal text, never JSON numbers.',
    '',
    'Classes of sensitivity: P public, I internal, C confidential (prices, contracts, bank), N personal (staff, contacts),',
    'H linked to a patient, S secret.',
    '',
  ].join('\n');
}

/** The schema as published: with the shared types it uses inside, so that the file stands alone. */
export function publishedSchema(entity: EntitySchema): JsonSchema {
  const all = commonSchema().$defs as Record<string, JsonSchema>;
  const used = new Map<string, JsonSchema>();
  const collect = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(collect);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key !== '$ref' || typeof inner !== 'string') return [key, collect(inner)];
        const name = inner.slice(`${commonId}#/$defs/`.length);
        if (!used.has(name)) {
          used.set(name, {});
          used.set(name, collect(all[name]) as JsonSchema);
        }
        return [key, `#/$defs/${name}`];
      }),
    );
  };
  const schema = collect(entity.schema) as JsonSchema;
  return { ...schema, $defs: Object.fromEntries([...used].sort(([a], [b]) => (a < b ? -1 : 1))) };
}
