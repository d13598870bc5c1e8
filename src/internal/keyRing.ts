/**
 * Texts of any length in the entries of a key ring, some of which take no more than 2,560 bytes of UTF-16. A long text lies in parts; the entry with its name says
 * in which, and is written last: who reads finds the old text or the new one.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Keep } from "./keyValueTexts.ts"
import type { Failure } from "./textStore.ts"

/** A key ring: a text per account. */
export interface Ring {
  /** The text of an account; null if there is none. */
  get(account: string): Promise<string | null | undefined>
  /** Puts a text of at most 1,200 characters there. */
  set(account: string, text: string): Promise<unknown>
  /** Removes an account. Nothing there is fine. */
  remove(account: string): Promise<unknown>
}

/** The most characters in one entry. */
const longest = 1_200

/** More is none of ours. */
const mostParts = 999

const tooLong: Failure = {
  reason: "Unavailable",
  description: "the token is too long for a key ring: use another store"
}

/** A text in pieces, none of which ends within a character. */
const pieces = (text: string): ReadonlyArray<string> => {
  const all: Array<string> = []
  for (let at = 0; at < text.length; at += all.at(-1)!.length) {
    const piece = text.slice(at, at + longest)
    all.push(/[\ud800-\udbff]$/.test(piece) && at + longest < text.length ? piece.slice(0, -1) : piece)
  }
  return all
}

/** What the entry with the name says. `side`: the parts of the next text lie on the other one, so that those of this one stay until it is there. */
interface Head {
  readonly side: "a" | "b"
  readonly parts: number
  /** The text itself, if it fits. */
  readonly text: string
}

const headOf = (entry: string): Option.Option<Head> => {
  const [, side, parts, text] = /^([ab])([1-9]\d{0,2}|0) [0-9a-f]{8}\n([^]*)$/.exec(entry) ?? []
  return side === undefined
    ? Option.none()
    : Option.some({ side: side as Head["side"], parts: Number(parts), text: text! })
}

export interface Options {
  readonly ring: Ring
  /** Succeeds if the ring can be used without asking anybody. */
  readonly check: Effect.Effect<void, Failure>
  /** How long the ring may take, in milliseconds. */
  readonly timeLimit: number
}

/** One entry at a time. */
export const entries = ({ check, ring, timeLimit }: Options): Keep => {
  const refused: Failure = {
    reason: "Unavailable",
    description: "the key ring refused; look whether it is there and unlocked, or use another store"
  }
  const silent: Failure = {
    reason: "Unavailable",
    description: "the key ring did not answer in time: it may be asking for a password; unlock it, or use another store"
  }
  /** In a fiber of its own: whoever cannot be interrupted would otherwise wait for ever. The ring's own error may quote what was to be stored. */
  const run = <A>(question: () => Promise<A>): Effect.Effect<A, Failure> =>
    Effect.zipRight(check, Effect.tryPromise({ try: question, catch: () => refused })).pipe(
      Effect.timeoutFail({ duration: timeLimit, onTimeout: () => silent }),
      Effect.interruptible,
      Effect.forkDaemon,
      Effect.flatMap(Fiber.join)
    )
  return {
    get: (account) =>
      Effect.map(
        run(() => ring.get(account)),
        Option.fromNullable
      ),
    set: (account, text) => run(() => ring.set(account, text)),
    remove: (account) => run(() => ring.remove(account))
  }
}

/** Texts of any length. */
export const make = (entries: Keep): Keep => {
  const part = (name: string, side: Head["side"], n: number) => `${name}.${side}${n}`

  /** Removes the parts from one on: those of a text, and what a program that was killed left there. The last one first, so that none is ever behind a gap. */
  const removeFrom = (name: string, side: Head["side"], first: number): Effect.Effect<void, Failure> =>
    Effect.flatMap(entries.get(part(name, side, first)), (entry) =>
      Option.isNone(entry)
        ? Effect.void
        : Effect.zipRight(removeFrom(name, side, first + 1), entries.remove(part(name, side, first)))
    )

  const get = (name: string): Effect.Effect<Option.Option<string>, Failure> =>
    Effect.flatMap(entries.get(name), (entry) => {
      if (Option.isNone(entry)) return Effect.succeedNone
      const head = headOf(entry.value)
      // Somebody else's text: whoever reads it decides what it is.
      if (Option.isNone(head)) return Effect.succeed(entry)
      if (head.value.parts === 0) return Effect.succeedSome(head.value.text)
      return Effect.gen(function* () {
        let text = ""
        for (let n = 0; n < head.value.parts; n++) {
          const piece = yield* entries.get(part(name, head.value.side, n))
          if (Option.isNone(piece)) break
          text += piece.value
        }
        // Replaced while it was read.
        if (Option.getOrUndefined(yield* entries.get(name)) !== entry.value) return yield* get(name)
        return Option.some(text)
      })
    })

  return {
    get,
    set: (name, text) =>
      Effect.gen(function* () {
        const before = Option.flatMap(yield* entries.get(name), headOf)
        const old = Option.getOrUndefined(Option.map(before, ({ side }) => side)) ?? "b"
        const side = old === "a" ? "b" : "a"
        const mark = Encoding.encodeHex(crypto.getRandomValues(new Uint8Array(4)))
        const head = (parts: number) => `${side}${parts} ${mark}\n`
        if (head(0).length + text.length <= longest) yield* entries.set(name, head(0) + text)
        else {
          const parts = pieces(text)
          if (parts.length > mostParts) return yield* Effect.fail(tooLong)
          yield* Effect.forEach(parts, (piece, n) => entries.set(part(name, side, n), piece), { discard: true })
          yield* removeFrom(name, side, parts.length)
          yield* entries.set(name, head(parts.length))
        }
        // What is left behind does no harm, and is removed with the next text.
        yield* Effect.ignore(removeFrom(name, old, 0))
      }),
    remove: (name) =>
      Effect.flatMap(entries.get(name), (entry) => (Option.isNone(entry) ? Effect.void : entries.remove(name))).pipe(
        Effect.zipRight(removeFrom(name, "a", 0)),
        Effect.zipRight(removeFrom(name, "b", 0))
      )
  }
}
