/**
 * A look at credentials that is no effect, for the map that hands out the tokens of thousands.
 *
 * @module
 */
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"

/** What `Credentials` are besides, as their maker makes them. */
export interface Looking<A, E> {
  /** What `token` comes to by now: an `Exit`, if nobody has to wait for it. */
  readonly look: (clock: Clock.Clock) => Effect.Effect<A, E>
}

export const isLooking = <A, E>(credentials: {
  readonly token: Effect.Effect<A, E>
}): credentials is typeof credentials & Looking<A, E> => "look" in credentials
