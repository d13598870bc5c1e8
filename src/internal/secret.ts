/**
 * A secret that somebody else provides: as it is, or as an Effect that is run whenever it is needed.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Text from "./text.ts"

/** Where it comes from. */
export type Source<E, R> = string | Redacted.Redacted | Effect.Effect<string | Redacted.Redacted, E, R>

/** Out of sight from here on. */
export const redacted = (given: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.isRedacted(given) ? given : Redacted.make(given)

/** Whether there is nothing in it. */
export const isBlank = (given: string | Redacted.Redacted): boolean =>
  Text.isBlank(Redacted.isRedacted(given) ? Redacted.value(given) : given)

/** The secret of now. Fails with what `blank` says if there is nothing in it. */
export const read = <E, R>(source: Source<E, R>, blank: () => E): Effect.Effect<Redacted.Redacted, E, R> =>
  Effect.flatMap(Effect.isEffect(source) ? source : Effect.succeed(source), (given) =>
    isBlank(given) ? Effect.fail(blank()) : Effect.succeed(redacted(given))
  )
