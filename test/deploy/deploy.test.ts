/** What is in `deploy/`: alert rules, their pages, the dashboard, and the examples of settings. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { catalogue } from '../../nodes/kernel/telemetry/catalogue.ts';
import { packageRoot } from '../support/node-red.ts';
import { removeDirectory, temporaryDirectory } from '../support/processes.ts';
import { metricsIn, scrapedNames } from '../support/promql.ts';
import { findPrometheus } from '../support/services.ts';

const run = promisify(execFile);
const deploy = join(packageRoot, 'deploy');
const rulesFile = join(deploy, 'prometheus/healthflows.rules.yml');
const rules = readFileSync(rulesFile, 'utf8');
const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map((match) => match[1]!);
const recorded = new Set([...rules.matchAll(/^ {6}- record: (\S+)$/gm)].map((match) => match[1]!));

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; refId: string }[];
}
const dashboard = JSON.parse(readFileSync(join(deploy, 'grafana/healthflows.json'), 'utf8')) as {
  schemaVersion: number;
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; definition?: string }[] };
  annotations: { list: { expr: string }[] };
};

/** Expressions of the rules, in the order of the file. */
function ruleExpressions(): string[] {
  const found: string[] = [];
  const lines = rules.split('\n');
  for (const [i, line] of lines.entries()) {
    const start = /^ {8}expr: (.*)$/.exec(line)?.[1];
    if (start === undefined) continue;
    if (start !== '>-') found.push(start);
    else {
      const more = lines.slice(i + 1);
      const end = more.findIndex((next) => !next.startsWith(' '.repeat(10)));
      found.push(more.slice(0, end).join(' '));
    }
  }
  return found;
}

describe('alert rules', () => {
  let promtool: string;
  before(async () => {
    ({ promtool } = await findPrometheus());
  });

  test('promtool takes the rules, and each alert fires for its fault and is silent for the usual', async () => {
    await run(promtool, ['check', 'rules', rulesFile]);
    const { stdout } = await run(promtool, ['test', 'rules', join(deploy, 'prometheus/healthflows.rules.test.yml')]);
    assert.match(stdout, /SUCCESS/);
  });

  test('each alert has a unit test in which it fires and one in which it does not', () => {
    const tests = readFileSync(join(deploy, 'prometheus/healthflows.rules.test.yml'), 'utf8');
    for (const alert of alerts) {
      const cases = tests.split('      - expr: ').filter((part) => part.startsWith(`ALERTS{alertname="${alert}"`));
      assert.ok(
        cases.some((part) => part.includes('value: 1')),
        `${alert} never fires`,
      );
      assert.ok(
        cases.some((part) => part.includes('exp_samples: []')),
        `${alert} is never silent`,
      );
    }
  });

  test('each alert has its page, and each page its alert', () => {
    const pages = globSync(join(packageRoot, 'docs/runbooks/*.md')).map((file) => basename(file, '.md'));
    assert.deepEqual(pages.filter((name) => name !== 'README').sort(), [...alerts].sort());
    for (const alert of alerts)
      assert.ok(rules.includes(`docs/runbooks/${alert}.md\n`), `${alert} does not lead there`);
    for (const page of alerts) {
      const text = readFileSync(join(packageRoot, `docs/runbooks/${page}.md`), 'utf8');
      for (const [, target] of text.matchAll(/\]\((\w+\.md)\)/g)) {
        assert.ok(existsSync(join(packageRoot, 'docs/runbooks', target!)), `${page} leads to ${target}`);
      }
    }
  });

  test('rules speak of metrics that exist', () => {
    const known = scrapedNames(catalogue);
    const expressions = ruleExpressions();
    assert.equal(expressions.length, alerts.length + recorded.size);
    for (const expression of expressions) {
      const names = metricsIn(expression);
      assert.ok(names.length > 0, expression);
      for (const name of names)
        assert.ok(known.has(name) || recorded.has(name) || name === 'up', `${name}: ${expression}`);
    }
  });

  test('promtool takes the example of prometheus.yml', async () => {
    const folder = temporaryDirectory('prometheus-example');
    try {
      writeFileSync(join(folder, 'token'), 'x');
      writeFileSync(join(folder, 'healthflows.rules.yml'), rules);
      const example = readFileSync(join(deploy, 'prometheus/prometheus.example.yml'), 'utf8');
      const file = join(folder, 'prometheus.yml');
      writeFileSync(file, example.replace('/etc/prometheus/healthflows-token', join(folder, 'token')));
      await run(promtool, ['check', 'config', file]);
    } finally {
      removeDirectory(folder);
    }
  });
});

/**
 * The dashboard as TypeScript that names the type of each part, as Grafana 13 generates them from its own schema. What the
 * Prometheus data source adds (`expr`, `titleFormat`, `step`, `definition`) is not in there.
 */
function typedDashboard(change: (text: string) => string): string {
  const { panels, annotations, templating, ...whole } = JSON.parse(
    readFileSync(join(deploy, 'grafana/healthflows.json'), 'utf8'),
  ) as Record<string, unknown> & {
    panels: Record<string, unknown>[];
    annotations: { list: Record<string, unknown>[] };
    templating: { list: Record<string, unknown>[] };
  };
  const parts: string[] = [];
  const add = (type: string, value: unknown) =>
    parts.push(`export const part${parts.length}: Plain<${type}> = ${JSON.stringify(value, undefined, 1)};`);
  add("Omit<Dashboard, 'panels' | 'annotations' | 'templating'>", whole);
  for (const { expr: _, titleFormat: _format, step: _step, ...annotation } of annotations.list)
    add('AnnotationQuery', annotation);
  for (const { definition: _, ...variable } of templating.list) add('VariableModel', variable);
  for (const { options, targets: _, fieldConfig, ...panel } of panels) {
    add(panel.type === 'row' ? 'RowPanel' : 'Panel', { ...panel });
    if (panel.type === 'row') continue;
    const { defaults, ...rest } = fieldConfig as { defaults: Record<string, unknown> };
    const { custom, ...usual } = defaults;
    add('FieldConfigSource', { defaults: usual, ...rest });
    if (custom !== undefined) add('TimeSeriesField', custom);
    add(panel.type === 'stat' ? 'Stat' : 'TimeSeries', options);
  }
  const raw = '@grafana/schema/dist/esm/raw';
  return `import type { AnnotationQuery, Dashboard, FieldConfigSource, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type { Options as Stat } from '${raw}/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { FieldConfig as TimeSeriesField, Options as TimeSeries } from '${raw}/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
// Enums by their values, as JSON has them.
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? number : T extends boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
${change(parts.join('\n'))}
`;
}

describe('the Grafana dashboard', () => {
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

  test('has the form that Grafana reads: own ids, a grid without overlap, a query in each panel', () => {
    assert.ok(dashboard.schemaVersion >= 36);
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const taken = new Map<string, string>();
    for (const { title, type, gridPos, targets } of dashboard.panels) {
      assert.ok(['row', 'stat', 'timeseries'].includes(type), `${title}: ${type}`);
      assert.ok(gridPos.x >= 0 && gridPos.w > 0 && gridPos.x + gridPos.w <= 24, title);
      if (type !== 'row') assert.ok(targets !== undefined && targets.length > 0, `${title} has no query`);
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          assert.equal(taken.get(`${x},${y}`), undefined, `${title} lies over another panel`);
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });

  test('is what the schema of Grafana takes', async () => {
    const folder = temporaryDirectory('dashboard-schema');
    try {
      symlinkSync(join(packageRoot, 'node_modules'), join(folder, 'node_modules'));
      const file = join(folder, 'dashboard.ts');
      const tsc = (text: string) => {
        writeFileSync(file, text);
        const strict = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
        return run(join(packageRoot, 'node_modules/.bin/tsc'), [...strict, '--types', '', 'dashboard.ts'], {
          cwd: folder,
        });
      };
      await tsc(typedDashboard((found) => found)).catch((error: { stdout?: string }) => assert.fail(error.stdout));
      // It can fail: a word that Grafana does not know, and a panel without what it must have.
      for (const [from, to] of [
        ['"mode": "thresholds"', '"mode": "threshold"'],
        ['"calcs": []', '"calc": []'],
        ['"lastNotNull"', '1'],
      ] as const) {
        await assert.rejects(tsc(typedDashboard((found) => found.replace(from, to))), to);
      }
    } finally {
      removeDirectory(folder);
    }
  });

  test('asks for metrics that exist, and only of the job that is chosen', () => {
    const known = scrapedNames(catalogue);
    for (const { title, expr } of queries) {
      const names = metricsIn(expr);
      assert.ok(names.length > 0, title);
      for (const name of names) assert.ok(known.has(name), `${title} asks for ${name}`);
      for (const name of names) assert.ok(expr.includes(`${name}{job=~"$job"`), `${title}: ${name} of every job`);
    }
    const variable = dashboard.templating.list.find(({ name }) => name === 'job');
    assert.ok(known.has(/label_values\((\w+),/.exec(variable?.definition ?? '')?.[1] ?? ''));
  });

  test('promtool reads each of its queries', async () => {
    const { promtool } = await findPrometheus();
    const folder = temporaryDirectory('dashboard');
    try {
      const file = join(folder, 'queries.yml');
      const all = [...queries.map(({ expr }) => expr), ...dashboard.annotations.list.map(({ expr }) => expr)];
      writeFileSync(
        file,
        JSON.stringify({
          groups: [{ name: 'queries', rules: all.map((expr, i) => ({ record: `query:${i}`, expr })) }],
        }),
      );
      await run(promtool, ['check', 'rules', '--lint=none', file]);
    } finally {
      removeDirectory(folder);
    }
  });

  test('shows each symptom that the alerts watch', () => {
    const shown = new Set(queries.flatMap(({ expr }) => metricsIn(expr)));
    const unseen = ruleExpressions()
      .flatMap(metricsIn)
      .filter((name) => !shown.has(name) && !recorded.has(name));
    // These speak of the process itself, or of what no curve helps with.
    const without = ['up', 'healthflows_journal_lost_total', 'healthflows_webhook_rejections_unaudited_total'];
    const events = [
      'healthflows_messaging_stopped',
      'healthflows_retry_budget_spent_total',
      'healthflows_approvals_oldest_seconds',
      'healthflows_approvals_failed',
      'messaging_client_consumed_messages_total',
    ];
    assert.deepEqual(
      [...new Set(unseen)].filter((name) => !without.includes(name) && !events.includes(name)),
      [],
    );
  });
});

test('the example of settings.js wants its secrets, and its token opens the scrape alone', async () => {
  const file = join(deploy, 'node-red/settings.example.cjs');
  const require = createRequire(import.meta.url);
  const names = [
    'HEALTHFLOWS_SCRAPE_TOKEN',
    'NODE_RED_CREDENTIAL_SECRET',
    'HEALTHFLOWS_ADMIN_HASH',
    'HEALTHFLOWS_OPERATOR_HASH',
  ];
  const before = names.map((name) => process.env[name]);
  try {
    for (const name of names) delete process.env[name];
    assert.throws(() => require(file), /HEALTHFLOWS_SCRAPE_TOKEN/);
    for (const name of names) process.env[name] = `the value of ${name}`;
    const { adminAuth } = require(file) as {
      adminAuth: { tokens(token: string): Promise<{ permissions: string[] } | null> };
    };
    assert.deepEqual((await adminAuth.tokens('the value of HEALTHFLOWS_SCRAPE_TOKEN'))?.permissions, [
      'healthflows.metrics',
    ]);
    assert.equal(await adminAuth.tokens('another'), null);
  } finally {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  }
  const environment = readFileSync(join(deploy, 'node-red/healthflows.env.example'), 'utf8');
  for (const name of names) assert.ok(environment.includes(`${name}=\n`), name);
});

test('the systemd unit starts Node-RED with the files that the page describes, as nobody important', () => {
  const unit = readFileSync(join(deploy, 'node-red/node-red.service'), 'utf8');
  for (const line of ['User=node-red', 'KillSignal=SIGTERM', 'Restart=always', 'NoNewPrivileges=true']) {
    assert.ok(unit.split('\n').includes(line), line);
  }
  assert.match(unit, /^EnvironmentFile=\/etc\/node-red\/healthflows\.env$/m);
});

test('the table of metrics in docs/observability.md is the catalogue', () => {
  const page = readFileSync(join(packageRoot, 'docs/observability.md'), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| `\w+` \| (counter|gauge|histogram) \|/.test(line));
  const wanted = Object.entries(catalogue).map(([name, { kind, labels, help, semconv }]) => {
    const full = semconv === undefined ? `healthflows_${name}` : name;
    return `| \`${full}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ') || '–'} | ${help} |`;
  });
  assert.deepEqual(rows, wanted);
});
