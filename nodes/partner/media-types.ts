/** Offered in the dialog; any other may be typed. RFC 1767 for EDI. */
export const mediaTypes = [
  'application/json',
  'application/fhir+json',
  'application/xml',
  'application/EDI-X12',
  'application/hl7-v2',
  'text/csv',
  'text/plain',
] as const;
