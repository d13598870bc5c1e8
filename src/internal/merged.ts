/**
 * Several streams as one. `Stream.merge` and what is built on it can wait for ever when they are interrupted while they start, and with them whoever closes
 * the layer that reads them.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** What any of the streams brings, as it comes, until all have ended. */
export const merged = <A, R>(...streams: ReadonlyArray<Stream.Stream<A, never, R>>): Stream.Stream<A, never, R> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<Option.Option<A>>(16)
      let running = streams.length
      const each = (stream: Stream.Stream<A, never, R>) =>
        Effect.zipRight(
          Stream.runForEach(stream, (value) => Queue.offer(queue, Option.some(value))),
          Effect.suspend(() => (--running === 0 ? Queue.offer(queue, Option.none()) : Effect.void))
        )
      yield* Effect.forEach(streams, (stream) => Effect.forkScoped(each(stream)), { discard: true })
      return Stream.fromQueue(queue, { maxChunkSize: 1 }).pipe(
        Stream.takeWhile(Option.isSome),
        Stream.map(({ value }) => value)
      )
    })
  )
