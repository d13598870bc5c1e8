import type { YieldableError } from "effect/Cause"
import * as Schema from "effect/Schema"

/** A named superclass for errors, so that their public types need no inference, and a schema, so that they cross RPC. */
export interface TaggedErrorClass<Self, Tag extends string, Fields, Encoded = Fields> extends Schema.Schema<
  Self,
  Encoded & { readonly _tag: Tag }
> {
  new (fields: Fields): YieldableError & { readonly _tag: Tag } & Readonly<Fields>
}

/** Fields are given as a function, so that a bundler leaves out the errors that nobody uses: it cannot know that to make a schema does nothing else. */
export const TaggedError = <Self, const Tag extends string, Fields, Encoded = Fields>(
  tag: Tag,
  fields: () => Schema.Struct.Fields
): TaggedErrorClass<Self, Tag, Fields, Encoded> => {
  const Base: any = Schema.TaggedError<Self>(`effect-credentials/${tag}`)(tag, fields())
  // Validation is off: a ParseError would quote what it was given, and an error must never fail to be made.
  return class extends Base {
    constructor(fields: Fields) {
      super(fields, true)
    }
  } as any
}
