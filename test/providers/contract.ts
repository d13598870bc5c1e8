/** What every provider keeps to. Each provider's test calls it. */
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { inspect } from "node:util"
import * as Credentials from "../../src/Credentials.ts"
import type { InvalidOption, RefreshError } from "../../src/CredentialsError.ts"
import type * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"

export const contract = <R>(options: {
  readonly name: string
  /** A provider that works. */
  readonly make: () => Provider.Provider<R>
  /** The same, refused or broken. */
  readonly failing: () => Provider.Provider<R>
  /** What must be in no output. */
  readonly secrets: ReadonlyArray<string>
  readonly provide: <A, E>(effect: Effect.Effect<A, E, R | Scope.Scope>) => Effect.Effect<A, E>
}): void => {
  const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
  const shown = (value: unknown) =>
    [inspect(value, { depth: 20, showHidden: true }), String(value), JSON.stringify(value)].join("\n")
  const hidesSecrets = (value: unknown) => {
    for (const secret of options.secrets) assert.notInclude(shown(value), secret)
  }

  it("has a name that is the same for everybody", () => {
    assert.strictEqual(options.make().name, options.name)
    assert.strictEqual(options.failing().name, options.name)
  })

  it.effect("obtains a token from nothing, one that can be sent", () =>
    options.provide(
      Effect.gen(function* () {
        const token = yield* options.make().acquire(first)
        assert.isTrue(Token.isSendable(token))
        hidesSecrets(token)
      })
    )
  )

  it.effect("obtains nothing while a layer is built", () =>
    options.provide(
      Effect.scoped(
        Effect.gen(function* () {
          const credentials = yield* Credentials.make(options.failing())
          assert.isTrue(Option.isNone(yield* credentials.current))
          hidesSecrets(credentials)
        })
      )
    )
  )

  it.effect("fails with a RefreshError that names it, says what to do and shows no secret", () =>
    options.provide(
      Effect.gen(function* () {
        const error: RefreshError | InvalidOption = yield* Effect.flip(options.failing().acquire(first))
        assert.strictEqual(error._tag, "RefreshError")
        assert.strictEqual(error.provider, options.name)
        assert.match(error.message, new RegExp(`^${options.name}: .{10,}`))
        hidesSecrets(error)
        hidesSecrets(error.stack)
      })
    )
  )

  it("shows no secret when it is looked at", () => {
    hidesSecrets(options.make())
  })
}
