/** Shows what a mapping makes of a sample. Everything from the sample is set as text, never as markup. */
import type { PreviewAnswer, RowPreview, Translate } from './types.ts';

const colours: Record<RowPreview['outcome'], string> = {
  mapped: 'var(--red-ui-text-color-success)',
  default: 'var(--red-ui-text-color-success)',
  absent: 'var(--red-ui-secondary-text-color)',
  condition: 'var(--red-ui-secondary-text-color)',
  skipped: 'var(--red-ui-text-color-warning)',
  error: 'var(--red-ui-text-color-error)',
};

export const outcomeColour = (outcome: RowPreview['outcome']): string => colours[outcome];

function list(title: string, items: string[], colour: string): JQuery {
  const box = $('<div>').css({ marginTop: '8px' });
  $('<div>').css({ fontWeight: 'bold', color: colour }).text(`${title} (${items.length})`).appendTo(box);
  const ul = $('<ul>').css({ margin: '2px 0 0 18px' }).appendTo(box);
  for (const item of items.slice(0, 50)) $('<li>').css({ overflowWrap: 'anywhere' }).text(item).appendTo(ul);
  if (items.length > 50) $('<li>').text('…').appendTo(ul);
  return box;
}

/** Problems of the mapping and of the document, most urgent first. */
export function showFindings(box: JQuery, answer: PreviewAnswer, t: Translate): void {
  const error = 'var(--red-ui-text-color-error)';
  const told = (severity: string): string[] =>
    answer.problems
      .filter((problem) => problem.severity === severity)
      .map((p) =>
        p.row === undefined ? p.message : t('canonical-mapper.preview.row', { row: p.row, text: p.message }),
      );
  const errors = told('error');
  const warnings = told('warning');
  if (errors.length > 0) box.append(list(t('canonical-mapper.preview.problems'), errors, error));
  if (warnings.length > 0)
    box.append(list(t('canonical-mapper.preview.warnings'), warnings, 'var(--red-ui-text-color-warning)'));
  const { preview } = answer;
  if (answer.unmapped !== undefined)
    $('<div>')
      .addClass('hf-mapper-schema')
      .css({ marginTop: '8px' })
      .text(t('canonical-mapper.preview.schema'))
      .appendTo(box);
  if (preview === undefined) return;
  const violations = preview.violations.map((v) => {
    const text = `${v.path}: ${v.expected}`;
    return v.row === undefined ? text : t('canonical-mapper.preview.row', { row: v.row, text });
  });
  if (violations.length > 0) box.append(list(t('canonical-mapper.preview.violations'), violations, error));
  else if (errors.length === 0) {
    $('<div>')
      .addClass('hf-mapper-ok')
      .css({ marginTop: '8px', color: 'var(--red-ui-text-color-success)' })
      .append($('<i class="fa fa-check"></i>'), document.createTextNode(` ${t('canonical-mapper.preview.ok')}`))
      .appendTo(box);
  }
  if (preview.missing.length > 0) box.append(list(t('canonical-mapper.preview.missing'), preview.missing, error));
}

/** Below the result, which is looked at more often. */
export function showUnmapped(box: JQuery, { preview }: PreviewAnswer, t: Translate): void {
  if (preview === undefined || preview.unmapped.length === 0) return;
  box.append(list(t('canonical-mapper.preview.unmapped'), preview.unmapped, 'var(--red-ui-text-color-warning)'));
}

export function showResult(box: JQuery, answer: PreviewAnswer): void {
  if (answer.preview === undefined) return;
  $('<pre>')
    .addClass('hf-mapper-result')
    .css({
      maxHeight: '320px',
      overflow: 'auto',
      whiteSpace: 'pre-wrap',
      overflowWrap: 'anywhere',
      fontSize: '12px',
      marginTop: '8px',
    })
    .text(answer.preview.result)
    .appendTo(box);
}

/** One line a row: what it read, what it gave, what went wrong. */
export function showRows(box: JQuery, answer: PreviewAnswer, t: Translate): void {
  if (answer.preview === undefined) return;
  const table = $('<table>')
    .addClass('hf-mapper-rows')
    .css({ width: '100%', marginTop: '8px', fontSize: '12px', tableLayout: 'fixed' });
  const head = $('<tr>').appendTo($('<thead>').appendTo(table));
  for (const [key, width] of [
    ['number', '28px'],
    ['from', '30%'],
    ['value', '20%'],
    ['to', '30%'],
    ['result', '20%'],
  ] as const) {
    $('<th scope="col">')
      .css({ textAlign: 'left', width })
      .text(key === 'number' ? '#' : t(`canonical-mapper.preview.${key}`))
      .appendTo(head);
  }
  const body = $('<tbody>').appendTo(table);
  for (const row of answer.preview.rows) {
    const line = $('<tr>')
      .css({ borderTop: '1px solid var(--red-ui-secondary-border-color)', verticalAlign: 'top' })
      .appendTo(body);
    const cell = (text: string): JQuery =>
      $('<td>').css({ overflowWrap: 'anywhere', padding: '2px 4px 2px 0' }).text(text).appendTo(line);
    cell(String(row.row));
    cell(row.source);
    cell(row.value ?? '');
    cell(row.target);
    const last = cell(row.error ?? row.result ?? t(`canonical-mapper.outcome.${row.outcome}`)).css({
      color: outcomeColour(row.outcome),
    });
    if (row.runs > 1) last.append(document.createTextNode(` ×${row.runs}`));
    if (row.steps.length > 0) line.attr('title', row.steps.map((step) => `${step.name} → ${step.value}`).join('\n'));
  }
  box.append(table);
}
