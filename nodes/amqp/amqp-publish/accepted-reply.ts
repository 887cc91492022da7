/** The answer to the sender of an accepted message: 202 (RFC 9110 section 15.3.3). A duplicate gets the same one. */
export function acceptedReply(
  id: string,
  correlationId: string,
): { statusCode: number; headers: Record<string, string>; body: string } {
  return {
    statusCode: 202,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ status: 'accepted', id, correlationId }),
  };
}
