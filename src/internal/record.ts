/**
 * How a token lies in a store: as JSON with the version of its form, its revision and the whole key. Every store that keeps text uses it.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Json from "./json.ts"

type Members = Readonly<Record<string, unknown>>

/** What lies under a key. */
export interface Stored<A> {
  readonly key: string
  /** How often it has been written: a writer who finds another one than he read has lost. */
  readonly revision: number
  readonly token: A
  /** What a later version or another program has put beside it: kept as it is. */
  readonly rest: Members
}

/** Why a record cannot be read or written. Never what is in it. */
export interface RecordError {
  readonly reason: "Corrupt" | "NewerVersion" | "Unavailable"
  readonly description: string
}

/** The revision after one: the first again, after the last that can be told from the next. */
export const next = (revision: number): number => (revision % Number.MAX_SAFE_INTEGER) + 1

/** What turns a record of one version into one of the next; by the version it starts from. Version 1 is the first: nothing older is out there. */
export type Migrations = Readonly<Record<number, (members: Members) => Members>>

/** Records as text, and back. */
export interface Codec<A> {
  /** Fails with `Unavailable` for what could not be read again: then nothing may be written. */
  readonly encode: (record: Stored<A>) => Either.Either<string, RecordError>
  /** Fails with `NewerVersion` for a form that is not known yet: it must be kept. Anything else that is no record under this key is `Corrupt`. */
  readonly decode: (text: string, key?: string) => Either.Either<Stored<A>, RecordError>
  /** Whether two tokens would be written the same. */
  readonly isSame: (one: A, other: A) => boolean
}

const version = 1

/** A record holds a server's answer two levels deeper than the server sent it. */
const deepest = 80

const corrupt = (description: string): Either.Either<never, RecordError> =>
  Either.left({ reason: "Corrupt", description })

/** The codec for what a schema describes. Two that do not even resemble each other are not the same; to know that is quicker than to write both. */
export const codec = <A, I>(
  schema: Schema.Schema<A, I>,
  options: { readonly migrations?: Migrations; readonly resemble?: (one: A, other: A) => boolean } = {}
): Codec<A> => {
  const { migrations = {}, resemble = () => true } = options
  const decodeToken = Schema.decodeUnknownEither(schema)
  const encodeToken = Schema.encodeEither(schema)

  const decode: Codec<A>["decode"] = (text, asked) => {
    let members = Json.parseObject(text, deepest)
    if (members === undefined) return corrupt("it is no JSON object")
    for (;;) {
      const found = Json.member(members, "version")
      if (typeof found !== "number" || !Number.isSafeInteger(found)) return corrupt("it does not say its version")
      if (found > version) {
        return Either.left({
          reason: "NewerVersion",
          description: `it was written by a newer version of this library (form ${found}, here ${version}): update this one`
        })
      }
      if (found === version) break
      const migrate: ((members: Members) => Members) | undefined = migrations[found]
      if (migrate === undefined) return corrupt(`nothing is known of its version (${found})`)
      members = { ...migrate(members), version: found + 1 }
    }
    const { key, revision, token, version: _, ...rest } = members
    if (typeof key !== "string" || (asked !== undefined && key !== asked)) {
      return corrupt("it was written for another key")
    }
    if (typeof revision !== "number" || !Number.isSafeInteger(revision) || revision < 1) {
      return corrupt("it has no revision")
    }
    return Either.match(decodeToken(token), {
      // The schema's own error quotes what it was given.
      onLeft: () => corrupt("what it holds is no token"),
      onRight: (token) => Either.right({ key, revision, token, rest })
    })
  }

  const unwritable: RecordError = {
    reason: "Unavailable",
    description: "the token cannot be written as JSON and read again: look what its extra members hold"
  }

  const encode: Codec<A>["encode"] = ({ key, rest, revision, token }) =>
    Either.flatMap(
      Either.mapLeft(encodeToken(token), () => unwritable),
      (token) =>
        Either.try({ try: () => JSON.stringify({ ...rest, version, revision, key, token }), catch: () => unwritable })
    ).pipe(
      Either.filterOrLeft(
        (text) => Either.isRight(decode(text, key)),
        () => unwritable
      )
    )

  const written = (token: A): string | undefined =>
    Either.getOrUndefined(Either.flatMap(encodeToken(token), (token) => Either.try(() => JSON.stringify(token))))

  const isSame: Codec<A>["isSame"] = (one, other) => {
    if (!resemble(one, other)) return false
    const text = written(one)
    return text !== undefined && text === written(other)
  }

  return { encode, decode, isSame }
}
