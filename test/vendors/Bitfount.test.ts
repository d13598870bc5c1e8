/** Bitfount, against a stand-in of its login, its hub and its access manager. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import { inspect } from "node:util"
import { bitfount, unsigned } from "../../examples/support/standIns/bitfount.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as StaticToken from "../../src/providers/StaticToken.ts"
import { TokenStore } from "../../src/TokenStore.ts"
import * as Bitfount from "../../src/vendors/Bitfount.ts"
import { scenarios } from "./scenario.ts"

/** What a hook brings: tokens by how many seconds they last, in this order. */
const hookOf = (lives: ReadonlyArray<number>) => {
  const left = [...lives]
  let made = 0
  return Effect.suspend(() => {
    const life = left.shift()
    return life === undefined
      ? Effect.fail(new Error("s3cret"))
      : Effect.map(Effect.clock, (clock) => ({
          jwt: `h${++made}`,
          expires: clock.unsafeCurrentTimeMillis() + life * 1000
        }))
  })
}

/** Renewals are due when their window opens. */
const unjittered = Random.fixed([0])

scenarios("bitfount", {
  standIn: bitfount,
  build: ({ file, hook, jwtFor, staticToken, ...given }, world) => {
    const lines: Array<string> = []
    const shown: Array<unknown> = []
    const opened: Array<string> = []
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => void lines.push([message].flat().join(" ")))
    )
    const at = (name: string) => path.join(world.home, name)
    const writeFile = ({ claims, idClaims, name, ...members }: any, mode = 0o600) => {
      const file = at(name)
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 })
      const access = claims === undefined ? {} : { access_token: unsigned(claims) }
      const id = idClaims === undefined ? {} : { id_token: unsigned(idClaims) }
      const seconds = Date.now() / 1000 + Number(members.access_token_expires_in)
      const expiry = members.access_token_expires_in === undefined ? {} : { access_token_expires_at: seconds }
      fs.writeFileSync(file, JSON.stringify({ ...members, ...access, ...id, ...expiry }), { mode })
    }
    return Effect.gen(function* () {
      if (file !== undefined) writeFile(file)
      const options: Bitfount.SessionOptions = {
        ...given,
        ...(hook === undefined ? {} : { getToken: hookOf(hook) }),
        ...(jwtFor === undefined ? {} : { jwt: "given", expires: Date.now() + jwtFor * 1000 }),
        prompt: ({ userCode, verificationUri }) => Effect.sync(() => void shown.push({ userCode, verificationUri })),
        open: (url) => void opened.push(url)
      }
      const context = yield* Layer.build(
        staticToken === undefined
          ? Bitfount.layerSession(options)
          : Layer.provideMerge(
              AuthenticatedHttpClient.layer({ origins: Bitfount.origins() }),
              StaticToken.layer({ token: staticToken, authorization: Bitfount.authorization() })
            )
      )
      const client = yield* Effect.provide(AuthenticatedHttpClient.AuthenticatedHttpClient, context)
      const credentials = yield* Effect.provide(Credentials.Credentials, context)
      const token = Effect.map(credentials.token, ({ accessToken }) => Redacted.value(accessToken))
      const interesting = ["authorization", "x-api-key-id", "x-api-key", "user-agent"]
      const actions: Readonly<Record<string, (given: any) => Effect.Effect<unknown, unknown>>> = {
        token: () => token,
        /** What has begun behind somebody's back has been sent by then. */
        wait: () => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100))),
        storm: (callers: number) =>
          Effect.map(
            Effect.all(
              Array.from({ length: callers }, () => token),
              { concurrency: "unbounded" }
            ),
            (all) => [...new Set(all)]
          ),
        renewed: () =>
          Effect.map(credentials.tokenValidFor("5 minutes"), ({ accessToken }) => Redacted.value(accessToken)),
        /** Until a renewal that goes on in the background has ended. */
        renewedBehind: (expected: string) =>
          token.pipe(
            Effect.zipLeft(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))),
            Effect.repeat({ until: (held) => held === expected, times: 500 })
          ),
        /** Whether the login has taken as long as it should at least, in seconds. */
        takes: (seconds: number) => Effect.map(Effect.timed(token), ([took]) => Duration.toSeconds(took) >= seconds),
        get: (url: string) => Effect.map(client.get(url), ({ status }) => ({ status })),
        /** What of it went along with a request, in the order of their names. */
        headers: ({ url, own = {} }: any) =>
          Effect.map(client.execute(HttpClientRequest.get(url, { headers: own })), () =>
            Object.entries(world.seen.at(-1)!.headers)
              .filter(([name]) => interesting.includes(name))
              .sort()
          ),
        metadata: () =>
          Effect.map(Bitfount.messageMetadata, (pairs) =>
            pairs.map(([name, value]) => [name, Redacted.value(value)])
          ).pipe(Effect.provide(context)),
        username: () => Effect.map(credentials.token, (token) => Option.getOrNull(Bitfount.usernameIn(token))),
        current: () => Effect.map(credentials.current, (current) => (Option.isNone(current) ? "nothing" : "something")),
        forget: () => credentials.forget,
        stored: () =>
          Effect.flatMap(TokenStore, (store) => store.list).pipe(Effect.provide(Bitfount.layerStore(options))),
        another: (file: any) => Effect.sync(() => writeFile(file)),
        loosen: ({ directory, name }: any) =>
          Effect.sync(() => {
            fs.chmodSync(at(name), 0o664)
            fs.chmodSync(path.dirname(at(name)), Number.parseInt(directory, 8))
          }),
        modes: (name: string) =>
          Effect.sync(() => [path.dirname(name), name].map((each) => (fs.statSync(at(each)).mode & 0o777).toString(8))),
        members: (name: string) =>
          Effect.sync(() =>
            Object.fromEntries(
              Object.entries(JSON.parse(fs.readFileSync(at(name), "utf8"))).map(([member, value]) => [
                member,
                member === "id_token" ? String(value).split(".").length : typeof value === "number" ? "a number" : value
              ])
            )
          ),
        lifeInFile: (name: string) =>
          Effect.sync(() => {
            const { access_token_expires_at } = JSON.parse(fs.readFileSync(at(name), "utf8"))
            return Math.round((access_token_expires_at - Date.now() / 1000) / 3600)
          }),
        asides: (name: string) =>
          Effect.sync(() => fs.readdirSync(at(name)).filter((each) => each.includes(".corrupt-")).length),
        shown: () => Effect.succeed(shown),
        opened: () => Effect.succeed(opened),
        logs: () => Effect.succeed(lines.join("\n")),
        printed: () =>
          Effect.map(credentials.token, (token) => {
            const text = inspect([token, credentials, lines], { depth: 10, showHidden: true }) + JSON.stringify(token)
            return /s3cret|\ba1\b|\br1\b/.test(text) ? text : "nothing"
          })
      }
      return Object.fromEntries(
        Object.entries(actions).map(([name, action]) => [
          name,
          (given: unknown) => Effect.withRandom(Effect.provide(action(given), logger), unjittered)
        ])
      )
    }).pipe(Effect.provide(logger), Effect.withRandom(unjittered))
  }
})
