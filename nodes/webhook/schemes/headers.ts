/**
 * Header fields as they came, one entry a line. Node joins repeated lines with ", ", which would let a second
 * signature or timestamp slip in beside the first.
 */
export class HeaderFields {
  readonly #fields = new Map<string, string[]>();

  /** @param raw alternating names and values, as `IncomingMessage.rawHeaders` */
  static fromRaw(raw: readonly string[]): HeaderFields {
    const fields = new HeaderFields();
    for (let i = 0; i + 1 < raw.length; i += 2) fields.#add(raw[i]!, raw[i + 1]!);
    return fields;
  }

  static fromRecord(record: Readonly<Record<string, unknown>>): HeaderFields {
    const fields = new HeaderFields();
    for (const [name, value] of Object.entries(record)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (typeof one === 'string' || typeof one === 'number') fields.#add(name, String(one));
      }
    }
    return fields;
  }

  #add(name: string, value: string): void {
    const key = name.toLowerCase();
    const values = this.#fields.get(key);
    if (values === undefined) this.#fields.set(key, [value]);
    else values.push(value);
  }

  /** Every value sent under this name, in order. */
  all(name: string): readonly string[] {
    return this.#fields.get(name.toLowerCase()) ?? [];
  }

  /** The only value under this name; `several` when it was repeated. */
  one(name: string): string | undefined | typeof several {
    const values = this.all(name);
    return values.length > 1 ? several : values[0];
  }
}

export const several: unique symbol = Symbol('several');
