/** A token store in files, beside what a durable write costs on this disk. Real time, as a disk is waited for. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import * as Token from "../../src/Token.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { awaited, inFiber, type Table } from "./harness.ts"

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "effect-credentials-bench-"))
process.once(
  "exit",
  () => void import("node:fs").then(({ rmSync }) => rmSync(folder, { recursive: true, force: true }))
)

const tokenOf = (n: number): Token.Token =>
  Token.make({
    accessToken: Redacted.make(`${n}`.padEnd(700, "t")),
    refreshToken: Option.some(Redacted.make(`${n}`.padEnd(100, "r"))),
    issuedAt: DateTime.unsafeMake(n)
  })
const content = JSON.stringify({ token: "t".repeat(1_000) })

let written = 0
const durable = async () => {
  const temporary = path.join(folder, `.${written++}`)
  const file = await fs.open(temporary, "wx", 0o600)
  await file.writeFile(content)
  await file.sync()
  await file.close()
  await fs.rename(temporary, path.join(folder, "bare"))
  const directory = await fs.open(folder, "r")
  await directory.sync()
  await directory.close()
}

const storeOf = (layer: Layer.Layer<TokenStore.TokenStore, unknown>) =>
  Effect.runPromise(
    Effect.flatMap(Layer.buildWithScope(layer, Effect.runSync(Scope.make())), (context) =>
      Effect.provide(TokenStore.TokenStore, context)
    )
  )
const plain = await storeOf(TokenStore.layerFile({ directory: path.join(folder, "plain") }))
const encrypted = await storeOf(
  TokenStore.layerEncryptedFile({ directory: path.join(folder, "encrypted"), key: Redacted.make(new Uint8Array(32)) })
)
const memory = await storeOf(TokenStore.layerMemory())

let issued = 0
const transaction = (store: TokenStore.TokenStore) =>
  store.transaction("me", () => Effect.succeedSome(tokenOf(++issued)))
const unchanged = (store: TokenStore.TokenStore) => store.transaction("me", (stored) => Effect.succeed(stored))
await Effect.runPromise(Effect.forEach([plain, encrypted, memory], transaction))
// Compiled before it is measured, as every other table is.
for (let n = 0; n < 1_000; n++) {
  await Effect.runPromise(Effect.forEach([plain, encrypted, memory], transaction))
  await durable()
}

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "store: a token written durably",
    floors: ["a bare fsync and rename"],
    time: "real",
    batch: 10,
    rounds: 60,
    contenders: [
      { name: "a bare fsync and rename", run: awaited(durable) },
      { name: "layerFile, a transaction", run: inFiber(() => transaction(plain)) },
      { name: "layerEncryptedFile, a transaction", run: inFiber(() => transaction(encrypted)) },
      { name: "layerMemory, a transaction", run: inFiber(() => transaction(memory)) }
    ]
  },
  {
    title: "store: a token read",
    floors: ["a bare readFile"],
    time: "real",
    batch: 50,
    contenders: [
      { name: "a bare readFile", run: awaited(() => fs.readFile(path.join(folder, "bare"), "utf8")) },
      { name: "layerFile, get", run: inFiber(() => plain.get("me")) },
      { name: "layerFile, a transaction that changes nothing", run: inFiber(() => unchanged(plain)) },
      { name: "layerEncryptedFile, get", run: inFiber(() => encrypted.get("me")) }
    ]
  }
]
