/**
 * Logs in to Bitfount and asks the hub: `npx tsx examples/vendors/bitfount.ts`. The servers are stand-ins on this machine, the token file is a temporary one. The second time the file is all that is
 * needed. With BITFOUNT_STORAGE_PATH set, a person logs in at the real one, as the user `_default`.
 */
import { FetchHttpClient } from "@effect/platform"
import { Config, Effect, Layer, Option } from "effect"
import { AuthenticatedHttpClient } from "effect-credentials"
import * as Bitfount from "effect-credentials/Bitfount"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { reroute, standIn } from "../support/standIn.ts"
import { bitfount } from "../support/standIns/bitfount.ts"
import { say } from "../support/terminal.ts"

const ask = (options: Bitfount.SessionOptions) =>
  Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
    Effect.flatMap(client.get("https://hub.bitfount.com/api/me"), (response) => response.text)
  ).pipe(Effect.provide(Bitfount.layerSession(options)))

const embedded = Effect.gen(function* () {
  const url = yield* standIn(bitfount())
  const storagePath = fs.mkdtempSync(path.join(os.tmpdir(), "bitfount-"))
  const session: Bitfount.SessionOptions = {
    username: "ada",
    storagePath,
    prompt: ({ userCode }) => Effect.sync(() => say(`A person would enter ${userCode}.`)),
    open: false
  }
  const http = Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, reroute(url)))
  say(`The hub answers: ${yield* Effect.provide(ask(session), http)}`)
  const members = Object.keys(JSON.parse(fs.readFileSync(path.join(storagePath, "ada", ".token"), "utf8")))
  say(`The file holds ${members.slice(0, 3).join(", ")} and where they are from.`)
  say(`Without a login: ${yield* Effect.provide(ask(session), http)}`)
  fs.rmSync(storagePath, { recursive: true })
})

const real = Effect.map(Effect.provide(ask({}), FetchHttpClient.layer), say)

const configured = Config.option(Config.string("BITFOUNT_STORAGE_PATH"))
await Effect.runPromise(Effect.scoped(Effect.flatMap(configured, (path) => (Option.isSome(path) ? real : embedded))))
