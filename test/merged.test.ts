import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { merged } from "../src/internal/merged.ts"
import { seeds } from "./support/SeededScheduler.ts"

describe("merged streams", () => {
  it("bring what each brings, and end with the last", () =>
    Effect.gen(function* () {
      const streams = [1, 2, 3].map((n) => Stream.tap(Stream.make(n, n + 10), () => Effect.sleep(n * 4)))
      const all = yield* Stream.runCollect(merged(...streams))
      assert.deepStrictEqual(Array.from(all).sort(), [1, 11, 12, 13, 2, 3])
    }).pipe(Effect.runPromise))

  it("end whenever they are interrupted", () =>
    seeds(500, (world) => {
      world.run(
        Effect.gen(function* () {
          const written = yield* PubSub.sliding<number>(8)
          const fiber = yield* Effect.fork(
            Stream.runDrain(merged(Stream.fromPubSub(written), Stream.fromPubSub(written)))
          )
          yield* world.pause(40)
          if (world.random() < 0.5) yield* PubSub.publish(written, 1)
          yield* world.pause(40)
          yield* Fiber.interrupt(fiber)
        })
      )
    }))
})
