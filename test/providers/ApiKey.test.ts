import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import { RefreshError } from "../../src/CredentialsError.ts"
import * as Provider from "../../src/Provider.ts"
import * as ApiKey from "../../src/providers/ApiKey.ts"
import { show } from "../support/engine.ts"
import * as FakeServer from "../support/FakeServer.ts"
import { contract } from "./contract.ts"

const key = Redacted.make("c4nary")

/** What arrives at each URL. */
const received = (options: ApiKey.Options, urls: ReadonlyArray<string>, status = 200) =>
  Effect.suspend(() => {
    const server = FakeServer.make(() => ({ status }))
    const origins = ["https://api.test", "https://files.test"] as const
    return Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
      Effect.forEach(urls, (url) => client.get(url))
    ).pipe(
      Effect.provide(AuthenticatedHttpClient.layer({ origins })),
      Effect.provide(ApiKey.layer(options)),
      Effect.provide(server.layer),
      Effect.map((responses) => ({ responses, seen: server.seen }))
    )
  })

describe("ApiKey", () => {
  contract<never>({
    name: "ApiKey",
    make: () => ApiKey.make({ headers: { "x-api-key": "c4nary" } }),
    // Nothing can fail once the options are right: a stand-in for whatever is put around it.
    failing: () =>
      Provider.make({
        ...ApiKey.make({ headers: { "x-api-key": key } }),
        acquire: () =>
          Effect.fail(
            new RefreshError({ provider: "ApiKey", reason: { _tag: "Source", description: "no key at hand" } })
          )
      }),
    secrets: ["c4nary"],
    provide: Effect.scoped
  })

  it.effect("sets the headers it names and no Authorization beside them", () =>
    Effect.gen(function* () {
      const { seen } = yield* received({ headers: { "X-Api-Key": key, "x-project": "p1" } }, ["https://api.test/"])
      const { headers } = seen[0]!
      assert.deepStrictEqual([headers["x-api-key"], headers["x-project"]], ["c4nary", "p1"])
      assert.isUndefined(headers["authorization"])
    })
  )

  it.effect("takes Authorization itself, with a scheme of its own", () =>
    Effect.gen(function* () {
      const { seen } = yield* received({ headers: { authorization: "Token c4nary" } }, ["https://api.test/"])
      assert.strictEqual(seen[0]!.headers["authorization"], "Token c4nary")
    })
  )

  it.effect("an origin with headers of its own gets those only, one without any gets the common ones (S002)", () =>
    Effect.gen(function* () {
      const urls = ["https://api.test/", "https://files.test/", "https://other.test/"]
      const own = { "https://files.test": { "x-files-key": "f1les" } }
      const both = yield* received({ headers: { "x-api-key": key }, byOrigin: own }, urls)
      assert.deepStrictEqual(
        both.seen.map(({ headers }) => [headers["x-api-key"], headers["x-files-key"]]),
        [
          ["c4nary", undefined],
          [undefined, "f1les"],
          [undefined, undefined]
        ]
      )
      const alone = yield* received({ byOrigin: own }, urls)
      assert.deepStrictEqual(
        alone.seen.map(({ headers }) => headers["x-files-key"]),
        [undefined, "f1les", undefined]
      )
    })
  )

  it.effect("a refused key is sent once: there is no other, and the caller sees the 401", () =>
    Effect.gen(function* () {
      const { responses, seen } = yield* received({ headers: { "x-api-key": key } }, ["https://api.test/"], 401)
      assert.deepStrictEqual([responses[0]!.status, seen.length], [401, 1])
    })
  )

  it.scoped("never expires, even where the key is a JWT that says so", () =>
    Effect.gen(function* () {
      const jwt = `${btoa("{}")}.${btoa('{"exp":60}')}.${btoa("signature")}`.replaceAll("=", "")
      const credentials = yield* Credentials.make(ApiKey.make({ headers: { "x-api-key": jwt } }))
      yield* TestClock.adjust("1000 days")
      const token = yield* credentials.token
      assert.isTrue(Option.isNone(token.expiresAt))
      assert.strictEqual(show(token), jwt)
    })
  )

  it.effect("options that cannot work fail the layer by name, without the key (S101)", () =>
    Effect.gen(function* () {
      const good = { "x-api-key": key }
      const cases: ReadonlyArray<readonly [keyof ApiKey.Options, ApiKey.Options]> = [
        ["headers", {}],
        ["headers", { headers: {} }],
        ["headers", { headers: { "x-api-key": "" } }],
        ["headers", { headers: { "x-api-key": " " } }],
        ["headers", { headers: { "x-api-key": Redacted.make("c4nary\r\nx: y") } }],
        ["headers", { headers: { "x-api-key": "c4nary " } }],
        ["headers", { headers: { "x-api-key": "c4naryü" } }],
        ["headers", { headers: { "x api key": "c4nary" } }],
        ["headers", { headers: { ...good, "X-API-Key\n": "c4nary" } }],
        ["headers", { headers: { "": "c4nary" } }],
        ["headers", { headers: { ...good, "X-API-KEY": "c4nary" } }],
        ["byOrigin", { headers: good, byOrigin: { "https://api.test/path": good } }],
        ["byOrigin", { headers: good, byOrigin: { "http://api.test": good } }],
        ["byOrigin", { byOrigin: { "https://api.test": { "x-api-key": "c4nary\n" } } }],
        ["byOrigin", { headers: good, byOrigin: { "https://api.test": {} } }]
      ]
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(ApiKey.layer(options))))
        assert.deepStrictEqual([error._tag, error.option], ["InvalidOption", option], JSON.stringify(options))
        assert.notInclude(error.message, "c4nary")
      }
    })
  )

  it.effect("reads API_KEY, or a variable and a header of your choice; blank is not set", () =>
    Effect.gen(function* () {
      const load = (variables: Record<string, string>, config?: ApiKey.ConfigOptions) =>
        Effect.either(
          Effect.withConfigProvider(
            ApiKey.fromConfig(config),
            ConfigProvider.fromMap(new Map(Object.entries(variables)))
          )
        )
      const usual = yield* load({ API_KEY: "c4nary" })
      assert.deepStrictEqual(usual._tag === "Right" && usual.right.authorization.names, ["x-api-key"])
      const other = yield* load({ K: "c4nary" }, { apiKey: Config.redacted("K"), header: "X-Other" })
      assert.deepStrictEqual(other._tag === "Right" && other.right.authorization.names, ["x-other"])
      const blank = yield* load({ API_KEY: " " })
      assert.strictEqual(blank._tag === "Left" && blank.left.message, "ApiKey is not configured: set API_KEY")
    })
  )
})
