import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll, expect } from "vitest"
import * as Redis from "../../src/Redis.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import * as RedisServer from "../support/redisServer.ts"
import { numbered, numberOf } from "./contract.ts"

/** How many sequences of operations; `EFFECT_CREDENTIALS_STORE_RUNS=10000` for a long night. */
const numRuns = Number(process.env["EFFECT_CREDENTIALS_STORE_RUNS"] ?? 40)

type Model = Map<string, number>

interface Real {
  store: TokenStore.TokenStore
  /** Closes the store and opens it again. */
  readonly reopen: () => Promise<void>
}

type Command = fc.AsyncCommand<Model, Real>

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)
const command = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => name
})

const get = (key: string) =>
  command(`get ${JSON.stringify(key)}`, async (model, { store }) => {
    const token = await run(store.get(key))
    expect(Option.getOrUndefined(Option.map(token, numberOf))).toBe(model.get(key))
  })

/** Stores what was there and more, unless somebody says to fail. */
const write = (key: string, n: number, fails: boolean) =>
  command(`${fails ? "fail to write" : "write"} ${JSON.stringify(key)}, ${n}`, async (model, { store }) => {
    const seen: Array<number | undefined> = []
    const result = await run(
      Effect.either(
        store.transaction(key, (stored) => {
          seen.push(Option.getOrUndefined(Option.map(stored, numberOf)))
          return fails ? Effect.fail("refused") : Effect.succeedSome(numbered(n))
        })
      )
    )
    expect(seen).toEqual([model.get(key)])
    expect(result._tag).toBe(fails ? "Left" : "Right")
    if (!fails) model.set(key, n)
  })

const clear = (key: string, how: "remove" | "transaction") =>
  command(`${how} away ${JSON.stringify(key)}`, async (model, { store }) => {
    await run(how === "remove" ? store.remove(key) : Effect.asVoid(store.transaction(key, () => Effect.succeedNone)))
    model.delete(key)
  })

const list = command("list", async (model, { store }) => {
  expect([...(await run(store.list))].sort()).toEqual([...model.keys()].sort())
})

const together = (key: string, count: number) =>
  command(`${count} at once on ${JSON.stringify(key)}`, async (model, { store }) => {
    const before = model.get(key) ?? 0
    const increment = store.transaction(key, (stored) =>
      Effect.succeedSome(numbered(Option.match(stored, { onNone: () => 1, onSome: (token) => numberOf(token) + 1 })))
    )
    await run(
      Effect.all(
        Array.from({ length: count }, () => increment),
        { concurrency: "unbounded" }
      )
    )
    model.set(key, before + count)
  })

const reopen = command("reopen", (_, real) => real.reopen())

const key = fc.constantFrom("a", "A", "a/b", "__proto__", "")
const commands = fc.commands(
  [
    key.map(get),
    fc.tuple(key, fc.nat(1000), fc.boolean()).map(([key, n, fails]) => write(key, n, fails)),
    fc.tuple(key, fc.constantFrom("remove" as const, "transaction" as const)).map(([key, how]) => clear(key, how)),
    fc.constant(list),
    fc.tuple(key, fc.integer({ min: 2, max: 4 })).map(([key, count]) => together(key, count)),
    fc.constant(reopen)
  ],
  { maxCommands: 30 }
)

const scenario = (
  name: string,
  open: () => { layer: Layer.Layer<TokenStore.TokenStore, unknown>; isLasting: boolean; close: () => void }
) =>
  it(
    `${name} behaves as a map would, whatever is done to it in whatever order (S188)`,
    () =>
      fc.assert(
        fc.asyncProperty(commands, async (commands) => {
          const { close, isLasting, layer } = open()
          let runtime = ManagedRuntime.make(layer)
          try {
            const model: Model = new Map()
            const real: Real = {
              store: await runtime.runPromise(TokenStore.TokenStore),
              reopen: async () => {
                if (!isLasting) return
                await runtime.dispose()
                runtime = ManagedRuntime.make(layer)
                real.store = await runtime.runPromise(TokenStore.TokenStore)
              }
            }
            await fc.asyncModelRun(() => ({ model, real }), commands)
          } finally {
            await runtime.dispose()
            close()
          }
        }),
        { numRuns }
      ),
    60_000 + numRuns * 200
  )

describe("a model of token stores", () => {
  scenario("layerMemory", () => ({ layer: TokenStore.layerMemory(), isLasting: false, close: () => undefined }))
  scenario("layerFile", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-"))
    return {
      layer: TokenStore.layerFile({ directory }),
      isLasting: true,
      close: () => fs.rmSync(directory, { recursive: true, force: true })
    }
  })
})

describe.skipIf(!RedisServer.isInstalled)("a model of token stores, beside a real Redis", () => {
  const scope = Effect.runSync(Scope.make())
  let url = ""
  let count = 0
  beforeAll(async () => {
    url = (await Effect.runPromise(Scope.extend(RedisServer.start(), scope))).url
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  scenario("Redis.layer", () => ({
    layer: Redis.layer({ url, prefix: `model-${count++}` }),
    isLasting: true,
    close: () => undefined
  }))
})
