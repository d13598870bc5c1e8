import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Authorization from "../src/Authorization.ts"
import * as Chain from "../src/Chain.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshErrorReason } from "../src/CredentialsError.ts"
import * as Provider from "../src/Provider.ts"
import * as AzureMetadata from "../src/providers/AzureMetadata.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import * as Token from "../src/Token.ts"
import { counting, show } from "./support/engine.ts"
import * as FakeServer from "./support/FakeServer.ts"

const first: Provider.Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
const absent: RefreshErrorReason = { _tag: "Source", description: "gcloud was not found: install it, or check PATH" }
const refused: RefreshErrorReason = { _tag: "Rejected", code: "invalid_client", status: 401 }

const environment = (variables: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

/** A provider that counts, by a name; `always` is what every acquisition fails with. */
const named = (name: string, always?: RefreshErrorReason, rest?: Partial<Provider.Provider>) => {
  const counted = counting({ rest: { ...rest }, rotates: true })
  counted.always = always
  return { ...counted, provider: Provider.make({ ...counted.provider, name }), counted }
}

const configured = (name: string, variable: string) =>
  Provider.fromConfig(
    name,
    { id: Config.string(`${variable}_ID`), secret: Config.string(`${variable}_SECRET`) },
    () => ({
      ...counting().provider,
      name
    })
  )

const outcomes = (explanation: ReadonlyArray<Chain.Explanation>) =>
  explanation.map(({ link, outcome }) => `${link}: ${outcome}`)

describe("links from configuration", () => {
  const choose = (variables: Record<string, string>) =>
    Chain.firstConfigured(configured("One", "A"), configured("Two", "B")).pipe(
      Effect.map((provider) => provider.name),
      Effect.catchAll((error) => Effect.succeed(error.message)),
      environment(variables)
    )

  it.effect("takes the first that is configured (S313)", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* choose({ A_ID: "x", A_SECRET: "y", B_ID: "x", B_SECRET: "y" }), "One")
      assert.strictEqual(yield* choose({ B_ID: "x", B_SECRET: "y" }), "Two")
      assert.strictEqual(yield* choose({ A_ID: " ", A_SECRET: "", B_ID: "x", B_SECRET: "y" }), "Two")
    })
  )

  it.effect("stops at one that is half configured, and names everything when none is (S313)", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* choose({ A_ID: "x", B_ID: "x", B_SECRET: "y" }),
        "One is half configured: A_ID is set, A_SECRET is missing"
      )
      assert.strictEqual(yield* choose({}), "One or Two is not configured: set A_ID, A_SECRET, B_ID, B_SECRET")
    })
  )

  it.effect("the chosen provider keeps its own name, key and way of authorization", () =>
    Effect.gen(function* () {
      const authorization = Authorization.header("x-key")
      const one = Provider.make({ ...counting().provider, name: "One", key: Option.some("k"), authorization })
      const chain = yield* Chain.firstConfigured(Effect.succeed(one), named("Two").provider)
      assert.strictEqual(chain.name, "One")
      assert.deepStrictEqual(chain.key, Option.some("k"))
      assert.strictEqual(chain.authorization, authorization)
    })
  )

  it.effect("what comes behind a configured link is not even looked at", () =>
    Effect.gen(function* () {
      let looks = 0
      const counts = Effect.suspend(() => (looks++, configured("Two", "B")))
      const chain = yield* Chain.firstConfigured(configured("One", "A"), counts, named("Three").provider).pipe(
        environment({ A_ID: "x", A_SECRET: "y", B_ID: "half" })
      )
      assert.strictEqual(looks, 0)
      assert.deepStrictEqual(yield* chain.explain, [
        { link: "One", outcome: "chosen", detail: "it is configured" },
        { link: "link 2", outcome: "not asked", detail: "One comes first and is configured" },
        { link: "Three", outcome: "not asked", detail: "One comes first and is configured" }
      ])
    })
  )
})

describe("ready links", () => {
  it.effect.each<RefreshErrorReason>([
    absent,
    { _tag: "Transport", description: "name not found" },
    { _tag: "Timeout", after: Duration.seconds(1) },
    { _tag: "InvalidResponse", description: "it is not from Google's metadata server" }
  ])("one that is not there is skipped: $_tag", (reason) =>
    Effect.gen(function* () {
      const [one, two] = [named("One", reason), named("Two")]
      const chain = yield* Chain.firstConfigured(one.provider, two.provider)
      assert.strictEqual(show(yield* chain.acquire(first)), "t1")
      assert.deepStrictEqual(outcomes(yield* chain.explain), ["One: skipped", "Two: chosen"])
    })
  )

  it.effect.each<RefreshErrorReason>([
    refused,
    { _tag: "Unavailable", status: 503 },
    { _tag: "Interaction", kind: "Denied" },
    { _tag: "Interaction", kind: "Forbidden" },
    { _tag: "ReauthenticationRequired", subtype: "invalid_rapt" },
    { _tag: "Ambiguous", description: "lost" },
    { _tag: "Assertion", description: "no key" },
    { _tag: "Store", description: "locked" }
  ])("one that is there and gives no token stops the search, and nobody else is asked: $_tag", (reason) =>
    Effect.gen(function* () {
      const [one, two] = [named("One", reason), named("Two")]
      const chain = yield* Chain.firstConfigured(one.provider, two.provider)
      const error = yield* Effect.flip(chain.acquire(first))
      assert.deepStrictEqual(error.reason, reason)
      assert.strictEqual(two.needs.length, 0)
      assert.deepStrictEqual(outcomes(yield* chain.explain), ["One: failed", "Two: not asked"])
      one.counted.always = undefined
      assert.strictEqual(show(yield* chain.acquire(first)), "t2")
    })
  )

  it.effect("the one that served is remembered: a renewal asks nobody else, even when it fails", () =>
    Effect.gen(function* () {
      const [one, two, three] = [named("One", absent), named("Two"), named("Three")]
      const chain = yield* Chain.firstConfigured(one.provider, two.provider, three.provider)
      const token = yield* chain.acquire(first)
      one.counted.always = undefined
      const renewal = { ...first, previous: Option.some(token) }
      yield* chain.acquire(renewal)
      two.counted.always = absent
      yield* Effect.flip(chain.acquire(renewal))
      assert.deepStrictEqual([one.needs.length, two.needs.length, three.needs.length], [1, 3, 0])
      assert.deepStrictEqual(two.needs[1], renewal)
    })
  )

  it.effect("forgetting the token forgets the choice, and all links forget", () =>
    Effect.gen(function* () {
      const forgotten: Array<string> = []
      const forget = (name: string) => ({ forget: Effect.sync(() => void forgotten.push(name)) })
      const [one, two] = [named("One", absent, forget("One")), named("Two", undefined, forget("Two"))]
      const chain = yield* Chain.firstConfigured(one.provider, two.provider)
      yield* chain.acquire(first)
      one.counted.always = undefined
      yield* chain.forget
      yield* chain.acquire(first)
      assert.deepStrictEqual(forgotten, ["One", "Two"])
      assert.deepStrictEqual(outcomes(yield* chain.explain), ["One: chosen", "Two: not asked"])
    })
  )

  it.effect("a refresh token of one link is never offered by another", () =>
    Effect.gen(function* () {
      const [one, two] = [named("One", absent), named("Two")]
      const chain = yield* Chain.firstConfigured(one.provider, two.provider)
      const stored = Token.make({ ...(yield* named("Elsewhere").provider.acquire(first)) })
      yield* chain.acquire({ ...first, previous: Option.some(stored) })
      assert.isTrue(Option.isNone(one.needs[0]!.previous))
      assert.isTrue(Option.isNone(two.needs[0]!.previous))
    })
  )

  it.scoped("tokens from elsewhere are taken from the link that the one held came from", () =>
    Effect.gen(function* () {
      const elsewhere = {
        One: yield* Deferred.make<Token.Token>(),
        Two: yield* Deferred.make<Token.Token>()
      }
      const link = (name: "One" | "Two", always?: RefreshErrorReason) =>
        named(name, always, { updates: Stream.fromEffect(Deferred.await(elsewhere[name])) }).provider
      const chain = yield* Chain.firstConfigured(link("One", absent), link("Two"))
      const credentials = yield* Credentials.make(chain)
      const issuedAt = DateTime.add((yield* credentials.token).issuedAt, { seconds: 1 })
      for (const [name, expected] of [
        ["One", "t1"],
        ["Two", "Two"]
      ] as const) {
        yield* Deferred.succeed(elsewhere[name], Token.make({ accessToken: Redacted.make(name), issuedAt }))
        yield* TestClock.adjust(0)
        assert.strictEqual(show(yield* credentials.token), expected)
      }
    })
  )

  it.scoped("each of several credentials gives back its own, to the link that it came from", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const link = (name: string, always?: RefreshErrorReason) =>
        named(name, always, {
          revoke: (held) => Effect.sync(() => void told.push(`${name}: ${held.map(show).join()}`)),
          forget: Effect.sync(() => void told.push(`${name} forgets`))
        }).provider
      const chain = yield* Chain.firstConfigured(link("One", absent), link("Two"))
      const [one, two] = yield* Effect.all([Credentials.make(chain), Credentials.make(chain)])
      yield* one.token
      yield* two.token
      yield* one.revoke
      yield* two.revoke
      assert.deepStrictEqual(told, ["One forgets", "Two: t1", "One forgets", "Two: t2"])
    })
  )

  it.effect("a link that does not answer has its time, and no more", () =>
    Effect.gen(function* () {
      const one = named("One")
      one.script.push("never")
      const chain = yield* Chain.firstConfigured(one.provider.pipe(Chain.within("1 second")), named("Two").provider)
      const running = yield* Effect.fork(chain.acquire(first))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* Fiber.join(running)), "t1")
      assert.strictEqual(one.aborted(), 1)
      assert.strictEqual(
        Chain.format(yield* chain.explain).split("\n")[0],
        "skipped  One  no token within 1 s; see what keeps it, or raise the time limit"
      )
    })
  )

  it.effect("a renewal by the chosen link has the provider's own time limit", () =>
    Effect.gen(function* () {
      const one = counting({ takes: "5 seconds" })
      const token = yield* named("Any").provider.acquire(first)
      const limited = one.provider.pipe(Chain.within("1 second"))
      const renewal = yield* Effect.fork(limited.acquire({ ...first, previous: Option.some(token) }))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* Fiber.join(renewal)), "t1")
    })
  )

  it.effect("a metadata server that is not there costs a second, and asking goes on", () =>
    Effect.gen(function* () {
      const nowhere = FakeServer.make(() => "never")
      const chain = yield* Chain.firstConfigured(
        AzureMetadata.make({ resource: "https://vault.azure.net" }).pipe(Chain.within("1 second")),
        named("Two").provider
      )
      const running = yield* Effect.fork(Effect.provide(chain.acquire(first), nowhere.layer))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* Fiber.join(running)), "t1")
    })
  )

  it.effect("when none can serve, one message names each link with its reason", () =>
    Effect.gen(function* () {
      const chain = yield* Chain.firstConfigured(
        configured("Env", "A"),
        named("Command", absent).provider,
        named("Metadata", { _tag: "Transport", description: "name not found" }).provider
      ).pipe(environment({}))
      const error = yield* Effect.flip(chain.acquire(first))
      assert.strictEqual(
        error.message,
        "Command or Metadata: none of them can serve. " +
          "Env: looked for A_ID, A_SECRET in the configuration, nothing is set. " +
          "Command: gcloud was not found: install it, or check PATH. " +
          "Metadata: the authorization server was not reached (name not found); check the address and the network"
      )
      assert.isTrue(error.isRetryable)
    })
  )

  it.effect("trying again is worth it only if it may help one of the links", () =>
    Effect.gen(function* () {
      const chain = yield* Chain.firstConfigured(named("One", absent).provider, named("Two", absent).provider)
      assert.isFalse((yield* Effect.flip(chain.acquire(first))).isRetryable)
    })
  )

  it.effect("a configured link behind them is the end of the search: if it has no token, its own error says why", () =>
    Effect.gen(function* () {
      const last = named("Two", absent)
      const three = named("Three")
      const chain = yield* Chain.firstConfigured(
        named("One", absent).provider,
        Effect.succeed(last.provider),
        three.provider
      )
      const error = yield* Effect.flip(chain.acquire(first))
      assert.strictEqual(error.message, `Counting: ${absent.description}`)
      assert.strictEqual(three.needs.length, 0)
      assert.deepStrictEqual(outcomes(yield* chain.explain), ["One: skipped", "Two: failed", "Three: not asked"])
    })
  )

  it.scoped("runs as credentials: the choice is made once, and renewals follow it", () =>
    Effect.gen(function* () {
      const one = named("One", absent)
      const two = counting({ lifetime: 100 })
      const credentials = yield* Credentials.make(yield* Chain.firstConfigured(one.provider, two.provider))
      assert.strictEqual(show(yield* credentials.token), "t1")
      yield* TestClock.adjust("101 seconds")
      assert.strictEqual(show(yield* credentials.token), "t2")
      assert.strictEqual(one.needs.length, 1)
    })
  )
})

describe("options", () => {
  it.effect("links that authorize in different ways are refused, before anything is sent", () =>
    Effect.gen(function* () {
      const key = named("Key", undefined, { authorization: Authorization.header("x-key") })
      const chain = yield* Chain.firstConfigured(named("One").provider, key.provider)
      const error = yield* Effect.flip(Effect.scoped(Credentials.make(chain)))
      assert.strictEqual(
        error.message,
        "One or Key: option authorization must be the same for all links: a chain puts tokens on requests in one way"
      )
    })
  )

  it.effect("an option of a link that cannot work is found when the chain is built", () =>
    Effect.gen(function* () {
      const chain = yield* Chain.firstConfigured(named("One").provider, StaticToken.make({ token: " " }))
      const error = yield* Effect.flip(Effect.scoped(Credentials.make(chain)))
      assert.strictEqual(error.option, "token")
    })
  )

  it.effect.each([0, -1, Number.NaN, "soon"])("a time limit of %j is refused", (limit) =>
    Effect.gen(function* () {
      const provider = named("One").provider.pipe(Chain.within(limit as Duration.DurationInput))
      const error = yield* Effect.flip(provider.check)
      assert.strictEqual(error.option, "within")
    })
  )
})

describe("Chain.explain", () => {
  it.effect("says what the configuration makes of each link, and asks nobody", () =>
    Effect.gen(function* () {
      const ready = named("Ready")
      const explanation = yield* Chain.explain(
        configured("One", "A"),
        ready.provider,
        configured("Two", "B"),
        configured("Three", "C")
      ).pipe(environment({ B_ID: "s3cret-canary", C_ID: "x", C_SECRET: "y" }))
      assert.strictEqual(
        Chain.format(explanation),
        [
          "skipped          One     looked for A_ID, A_SECRET in the configuration, nothing is set",
          "not asked        Ready   nobody has needed it yet",
          "half configured  Two     B_ID is set, B_SECRET is missing",
          "not asked        link 4  nobody has needed it yet"
        ].join("\n")
      )
      assert.strictEqual(ready.needs.length, 0)
      assert.notInclude(JSON.stringify(explanation), "s3cret-canary")
    })
  )

  it.effect("a setting of the wrong form is a failure, and its value is not shown", () =>
    Effect.gen(function* () {
      const link = Provider.fromConfig("One", { port: Config.integer("PORT") }, () => counting().provider)
      const [explanation] = yield* Chain.explain(link).pipe(environment({ PORT: "s3cret-canary" }))
      assert.strictEqual(explanation!.outcome, "failed")
      assert.notInclude(explanation!.detail, "s3cret-canary")
    })
  )

  it("a line stays a line, whatever a detail holds", () => {
    const text = Chain.format([{ link: "a\nb", outcome: "failed", detail: "\u001b[31mred\r\nand more" }])
    assert.strictEqual(text, "failed  a b  [31mred and more")
  })
})
