/**
 * Entries as FHIR R4 AuditEvent (https://hl7.org/fhir/R4/auditevent.html), for the audit repository of a hospital. Codes
 * are those of the value set audit-event-type: DICOM (DCM) and ISO 21089; our own action is the subtype.
 */
import type { AuditRecord } from './chain.ts';

interface Coding {
  system: string;
  code: string;
  display: string;
}

const dcm = (code: string, display: string): Coding => ({
  system: 'http://dicom.nema.org/resources/ontology/DCM',
  code,
  display,
});
const lifecycle = (code: string, display: string): Coding => ({
  system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle',
  code,
  display,
});

/** Create, read, update, delete, execute: `AuditEvent.action`. */
type Action = 'C' | 'R' | 'U' | 'D' | 'E';

/** By the beginning of our action; the first that fits. */
const kinds: readonly [beginning: string, type: Coding, action: Action][] = [
  ['audit.purged', dcm('110101', 'Audit Log Used'), 'D'],
  ['audit.', dcm('110101', 'Audit Log Used'), 'R'],
  ['configuration.', dcm('110131', 'Software Configuration'), 'U'],
  ['store.backed-up', dcm('110106', 'Export'), 'R'],
  ['store.moved', dcm('110106', 'Export'), 'R'],
  ['deadletter.revealed', lifecycle('access', 'Access/View Record Lifecycle Event'), 'R'],
  ['message.revealed', lifecycle('access', 'Access/View Record Lifecycle Event'), 'R'],
  ['mapping.tried', lifecycle('access', 'Access/View Record Lifecycle Event'), 'R'],
  ['deadletter.previewed', lifecycle('access', 'Access/View Record Lifecycle Event'), 'R'],
  ['deadletter.edited', lifecycle('amend', 'Amend (Update) Record Lifecycle Event'), 'U'],
  ['deadletter.discarded', lifecycle('destroy', 'Destroy/Delete Record Lifecycle Event'), 'D'],
  ['message.accepted', lifecycle('receive', 'Receive/Retain Record Lifecycle Event'), 'C'],
  ['', dcm('110100', 'Application Activity'), 'E'],
];

/** A string of FHIR is not empty and not only white space. */
const told = (text: string | undefined): text is string => text !== undefined && text.trim() !== '';

export interface FhirSource {
  /** Who recorded it: the store or the Node-RED. */
  observer: string;
}

/** @param record with its hash, so that the copy can be held against the chain */
export function auditEventOf(record: AuditRecord & { hash: string }, { observer }: FhirSource): object {
  const [, type, action] = kinds.find(([beginning]) => record.action.startsWith(beginning))!;
  const { subject, correlationId, node, reason, detail = {} } = record;
  const details = { seq: record.seq, hash: record.hash, correlationId, node, ...detail };
  return {
    resourceType: 'AuditEvent',
    id: String(record.seq),
    type,
    subtype: [{ system: 'urn:healthflows:audit-action', code: record.action }],
    action,
    recorded: new Date(record.at).toISOString(),
    outcome: record.outcome === 'success' ? '0' : '4',
    ...(record.outcome === 'failure' && told(reason) ? { outcomeDesc: reason } : {}),
    ...(record.outcome === 'success' && told(reason) ? { purposeOfEvent: [{ text: reason }] } : {}),
    agent: [{ ...(told(record.actor) ? { who: { identifier: { value: record.actor } } } : {}), requestor: true }],
    source: {
      observer: { display: observer },
      type: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/security-source-type',
          code: '4',
          display: 'Application Server',
        },
      ],
    },
    entity: [
      {
        ...(told(subject) ? { what: { identifier: { value: subject } } } : {}),
        detail: Object.entries(details)
          .filter(([name, value]) => told(name) && value !== undefined && value !== null && told(String(value)))
          .map(([name, value]) => ({ type: name, valueString: String(value) })),
      },
    ],
  };
}
