/**
 * Tests that share what a layer builds, on the real clock. `layer` of @effect/vitest would do, but it changes the `it` of every file that runs in the
 * same worker afterwards.
 */
import { afterAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"

type Test<R, In extends ReadonlyArray<unknown> = []> = (...input: In) => Effect.Effect<void, unknown, R | Scope.Scope>

/** Each test has a scope of its own. */
interface Tests<R> {
  readonly effect: {
    (title: string, test: Test<R>): void
    readonly each: <A>(cases: ReadonlyArray<A>) => (title: string, test: Test<R, [A]>) => void
  }
}

/** Describes tests that share what `shared` builds. */
export const sharing =
  <R, E>(shared: Layer.Layer<R, E>) =>
  (title: string, tests: (it: Tests<R>) => void): void => {
    describe(title, () => {
      const runtime = ManagedRuntime.make(shared)
      afterAll(() => runtime.dispose())
      const run = (test: Effect.Effect<void, unknown, R | Scope.Scope>) => runtime.runPromise(Effect.scoped(test))
      tests({
        effect: Object.assign((title: string, test: Test<R>) => it(title, () => run(test())), {
          each:
            <A>(cases: ReadonlyArray<A>) =>
            (title: string, test: Test<R, [A]>) =>
              it.each(cases.map((one) => [one] as const))(title, (one) => run(test(one as A)))
        })
      })
    })
  }
