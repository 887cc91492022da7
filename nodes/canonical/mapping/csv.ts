/** Mapping rows as a sheet, for analysts who review in one, and back. */
import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { parseCsv, writeCsv } from '../formats/csv.ts';
import { type Mapping, type Row, rowProperties } from './mapping.ts';

type Column = keyof Row;

const columns: readonly Column[] = rowProperties;

/** Text as it is where it cannot be taken for anything else; everything else as JSON. */
function cellOf(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string' && value !== '' && !/^(["[{\-\d]|true$|false$|null$)/.test(value)) return value;
  return JSON.stringify(value);
}

/** One line a row, with a header line. */
export function mappingToCsv(mapping: Pick<Mapping, 'rows'>): string {
  return writeCsv([[...columns], ...mapping.rows.map((row) => columns.map((column) => cellOf(row[column])))]);
}

/** @throws Failure `data-quality` naming the line that cannot be read */
export function mappingFromCsv(text: string): Row[] {
  const [header = [], ...lines] = parseCsv(text);
  const unknown = header.find((name) => !(columns as readonly string[]).includes(name));
  if (unknown !== undefined || !header.includes('to')) {
    throw new Failure(
      'data-quality',
      'MAPPING_CSV',
      `The sheet's first line must name the columns ${columns.join(', ')}.`,
    );
  }
  return lines.map((cells, i) => {
    const row: Record<string, unknown> = {};
    header.forEach((name, c) => {
      const cell = cells[c] ?? '';
      if (cell === '') return;
      try {
        row[name] = /^(["[{\-\d]|true$|false$|null$)/.test(cell) ? parseJson(cell) : cell;
      } catch {
        throw new Failure(
          'data-quality',
          'MAPPING_CSV',
          `Line ${i + 2} of the sheet has a cell in "${name}" that is not valid JSON.`,
        );
      }
    });
    return row as unknown as Row;
  });
}
