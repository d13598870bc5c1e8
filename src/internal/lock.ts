/**
 * One at a time, in the order they came. Effect's own semaphore can lose its permit to an interruption between taking it and
 * installing the release; here the turn is passed on wherever the interruption hits.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

export interface Lock {
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
}

export const make = (): Lock => {
  const waiting: Array<() => void> = []
  let isTaken = false
  const pass = () => {
    const next = waiting.shift()
    if (next === undefined) isTaken = false
    else next()
  }
  return (effect) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        let isMine = false
        const turn = Effect.async<void>((resume) => {
          const take = () => {
            isMine = true
            resume(Effect.void)
          }
          if (isTaken) {
            waiting.push(take)
            return Effect.sync(() => {
              const place = waiting.indexOf(take)
              if (place >= 0) waiting.splice(place, 1)
            })
          }
          isTaken = true
          take()
          return
        })
        return Effect.flatMap(Effect.exit(restore(turn)), (exit) =>
          Exit.isSuccess(exit)
            ? Effect.ensuring(restore(effect), Effect.sync(pass))
            : Effect.zipRight(
                Effect.sync(() => isMine && pass()),
                Effect.failCause(exit.cause)
              )
        )
      })
    )
}
