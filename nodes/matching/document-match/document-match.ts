import { businessException, telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode } from '../../node/index.ts';
import { inputOf } from '../../node/inputs.ts';
import type { Facts } from '../documents.ts';
import { matchDocuments } from '../match.ts';
import { tolerancesOf } from '../tolerances.ts';
import { documentMatchDefinition } from './document-match.def.ts';

const outputs = { matched: 0, 'within-tolerance': 1, hold: 2, rejected: 3 } as const;

export default defineNode(documentMatchDefinition, ({ RED, node, config, status }) => {
  const tolerances = tolerancesOf({
    id: config.profile,
    version: config.profileVersion,
    rules: config.rules.length === 0 ? [{}] : config.rules,
  });
  const owners = Object.fromEntries(
    config.owners
      .filter(({ reason, owner }) => reason !== '' && owner !== '')
      .map(({ reason, owner }) => [reason, owner]),
  );
  const document = inputOf(RED, node, 'MATCH_INPUT', 'document', config.document, config.documentType);
  const order = inputOf(RED, node, 'MATCH_INPUT', 'order', config.order, config.orderType);
  const facts = inputOf(RED, node, 'MATCH_INPUT', 'facts', config.facts, config.factsType);
  const counts = [0, 0, 0, 0];
  status('idle', '');

  return {
    async input(message, { send }) {
      const match = matchDocuments(
        { mode: config.mode, tolerances, owners },
        {
          document: await document(message),
          order: await order(message),
          facts: ((await facts(message)) ?? {}) as Facts,
        },
      );
      message.match = match;
      // A part that somebody has to look at counts too, even when the document goes on.
      if (match.reason !== undefined) businessException(`${match.mode}_${match.reason}`.toUpperCase());
      const output = outputs[match.outcome];
      counts[output]!++;
      telemetry.count('documents_matched_total', { mode: match.mode, outcome: match.outcome });
      const exceptions = counts[2]! + counts[3]!;
      status(output > 1 ? 'degraded' : 'working', `${counts[0]! + counts[1]!} agree, ${exceptions} do not`);
      send(message, output);
    },
  };
});
