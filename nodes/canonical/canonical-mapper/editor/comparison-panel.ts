/** The mapping being edited beside the deployed one, as rows, on the sample, and on the last documents; and its way back. */
import type { Mapping, Translate } from './types.ts';

export interface DifferenceAnswer {
  deployed: { id: string; version: string } | null;
  properties?: string[];
  rows?: { kind: 'added' | 'removed' | 'changed'; row: number; to: string; properties: string[] }[];
  values?: { path: string; before?: unknown; after?: unknown }[];
}

export interface DryRunAnswer {
  kept: number;
  /** What the store holds is left out: the person may not open documents. */
  locked: boolean;
  /** What the store holds of these could not be read now. */
  away: ('letter' | 'original')[];
  /** False: paths alone. */
  values: boolean;
  runs: {
    key: string;
    origin: 'node' | 'letter' | 'original';
    at: string;
    event?: string;
    outcome: string;
    verdict: 'same' | 'changed' | 'refused' | 'mended' | 'new' | 'listed';
    problems: { row?: number; path: string; found?: string; expected: string }[];
    changes: { path: string; before?: string; after?: string }[];
  }[];
}

const key = (name: string): string => `canonical-mapper.editor.${name}`;
const line = (box: JQuery, text: string): JQuery =>
  $('<div>').css({ fontSize: '12px', margin: '2px 0', overflowWrap: 'anywhere' }).text(text).appendTo(box);
const title = (box: JQuery, text: string): JQuery => line(box, text).css({ fontWeight: 'bold' });

export function showDifference(box: JQuery, answer: DifferenceAnswer, t: Translate): void {
  const { deployed, properties = [], rows = [], values } = answer;
  if (deployed === null) {
    line(box, t(key('notDeployed')));
    return;
  }
  title(box, t(key('deployed'), { ...deployed }));
  if (properties.length === 0 && rows.length === 0) line(box, t(key('noDifference')));
  if (properties.length > 0) line(box, t(key('mappingDiffers'), { properties: properties.join(', ') }));
  for (const row of rows.slice(0, 200)) {
    line(box, t(key(row.kind), { row: row.row, to: row.to, properties: row.properties.join(', ') })).css(
      'color',
      row.kind === 'removed' ? 'var(--red-ui-text-color-error)' : '',
    );
  }
  if (values === undefined || values.length === 0) return;
  title(box, t(key('valuesDiffer')));
  for (const { path, before, after } of values) {
    line(box, `${path}: ${valueText(before, t)} → ${valueText(after, t)}`);
  }
}

const valueText = (value: unknown, t: Translate): string => {
  if (value === undefined) return t(key('nothing'));
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

const colours: Record<DryRunAnswer['runs'][number]['verdict'], string> = {
  same: 'var(--red-ui-text-color-success)',
  new: 'var(--red-ui-text-color-success)',
  listed: 'var(--red-ui-secondary-text-color)',
  mended: 'var(--red-ui-text-color-success)',
  changed: 'var(--red-ui-text-color-warning)',
  refused: 'var(--red-ui-text-color-error)',
};

/** @param open asked with the document and a person's reason */
export function showDryRun(
  box: JQuery,
  { kept, locked, away, values, runs }: DryRunAnswer,
  t: Translate,
  open: (document: DryRunAnswer['runs'][number], reason: string) => void,
): void {
  if (locked) line(box, t(key('storedLocked')));
  if (away.length > 0)
    line(box, t(key('storedAway'), { kinds: away.map((kind) => t(key(`origin.${kind}`))).join(', ') }));
  if (!values) line(box, t(key('valuesLocked')));
  if (kept === 0) {
    line(box, t(key('noKept')));
    return;
  }
  title(box, t(key('dryRunTitle'), { count: kept }));
  for (const run of runs) {
    const head = $('<div>')
      .addClass('hf-mapper-dry-run')
      .css({
        display: 'flex',
        flexWrap: 'wrap',
        columnGap: '8px',
        alignItems: 'baseline',
        fontSize: '12px',
        marginTop: '4px',
      })
      .appendTo(box);
    $('<span>').css('whiteSpace', 'nowrap').text(new Date(run.at).toLocaleString()).appendTo(head);
    $('<span>')
      .addClass('hf-mapper-origin')
      .css('whiteSpace', 'nowrap')
      .text(t(key(`origin.${run.origin}`)))
      .appendTo(head);
    $('<span>')
      .text(run.event ?? '')
      .css({ opacity: 0.8, overflowWrap: 'anywhere' })
      .appendTo(head);
    $('<span>')
      .addClass('hf-mapper-verdict')
      .text(t(key(`verdict.${run.verdict}`)))
      .css({ color: colours[run.verdict], whiteSpace: 'nowrap' })
      .appendTo(head);
    const ask = $('<button type="button" class="red-ui-button red-ui-button-small">')
      .css({ marginLeft: 'auto', whiteSpace: 'nowrap' })
      .text(t(key('open')))
      .appendTo(head);
    ask.on('click', () => {
      const reason = $('<input type="text">')
        .attr({ 'aria-label': t(key('reason')), placeholder: t(key('reason')) })
        .css({ margin: '0', width: '260px' });
      ask.replaceWith(reason);
      reason.trigger('focus').on('keydown', (event) => {
        if (event.key === 'Enter') open(run, String(reason.val()));
      });
    });
    for (const problem of run.problems) {
      const found = problem.found === undefined ? '' : `${problem.found}; `;
      const text = `${problem.path}: ${found}${problem.expected}`;
      line(box, problem.row === undefined ? text : t('canonical-mapper.preview.row', { row: problem.row, text })).css({
        paddingLeft: '16px',
      });
    }
    for (const { path, before, after } of run.changes) {
      const told = before === undefined && after === undefined ? '' : `: ${before ?? '…'} → ${after ?? '…'}`;
      line(box, `${path}${told}`).css({ paddingLeft: '16px' });
    }
  }
}

export interface ReverseAnswer {
  mapping: Mapping;
  left: { row: number; to: string; reason: string }[];
  lossy: { row: number; to: string; values: string[] }[];
  /** Share of the rows that have a way back, 0 to 1. */
  coverage: number;
}

/** What of a mapping has a way back and what has none, before a person takes it. */
export function showReverse(
  box: JQuery,
  { mapping, left, lossy, coverage }: ReverseAnswer,
  t: Translate,
  take: { open(): void; download(): void },
): void {
  title(box, t(key('reverseTitle'), { rows: mapping.rows.length, percent: Math.floor(coverage * 100) }));
  const bar = $('<div>').css({ display: 'flex', gap: '6px', margin: '4px 0' }).appendTo(box);
  const button = (name: 'open' | 'download', icon: string): void => {
    $('<button type="button" class="red-ui-button red-ui-button-small">')
      .attr('id', `hf-mapper-editor-reverse-${name}`)
      .append($('<i>').addClass(`fa ${icon}`), document.createTextNode(` ${t(key(`reverse-${name}`))}`))
      .on('click', () => take[name]())
      .appendTo(bar);
  };
  button('open', 'fa-pencil');
  button('download', 'fa-download');
  if (left.length > 0) title(box, t(key('reverseLeft'), { count: left.length }));
  for (const { row, to, reason } of left)
    line(box, t('canonical-mapper.preview.row', { row, text: `${to}: ${reason}` }))
      .addClass('hf-mapper-no-way-back')
      .css({ paddingLeft: '16px', color: 'var(--red-ui-text-color-warning)' });
  if (lossy.length > 0) title(box, t(key('reverseLossy')));
  for (const { row, to, values } of lossy)
    line(box, t('canonical-mapper.preview.row', { row, text: `${to}: ${values.join(', ')}` })).css({
      paddingLeft: '16px',
    });
}
