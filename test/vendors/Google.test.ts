/** Google, against stand-ins of its servers, a gcloud of ours and real files. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import { inspect } from "node:util"
import { google, robotKey } from "../../examples/support/standIns/google.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Chain from "../../src/Chain.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Fetch from "../../src/Fetch.ts"
import * as IdToken from "../../src/IdToken.ts"
import type * as Provider from "../../src/Provider.ts"
import * as Token from "../../src/Token.ts"
import * as Google from "../../src/vendors/Google.ts"
import { temporary } from "../support/directories.ts"
import { scenarios, type World } from "./scenario.ts"

const revealed = (value: unknown): unknown =>
  Redacted.isRedacted(value)
    ? Redacted.value(value)
    : DateTime.isDateTime(value)
      ? DateTime.formatIso(value)
      : Array.isArray(value) || typeof value !== "object" || value === null
        ? value
        : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revealed(each)]))

/** Settings with a key that no data file can hold. */
const withKey = (value: any): any =>
  value === "$key"
    ? robotKey()
    : typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withKey(each)]))
      : value

/** Programs of a scenario: data files cannot make them runnable. */
const programs = (home: string) => {
  const folder = path.join(home, "bin")
  if (!fs.existsSync(folder)) return
  for (const file of fs.readdirSync(folder)) fs.chmodSync(path.join(folder, file), 0o700)
}

const userOf = ({ expiresAt, handler, verified, ...given }: any) => {
  let asked = 0
  return {
    ...given,
    ...(expiresAt === undefined ? {} : { expiresAt: DateTime.unsafeMake(expiresAt) }),
    ...(verified === undefined
      ? {}
      : { verifier: IdToken.verifier({ server: Google.issuer, clientId: "me", expected: verified }) }),
    ...(handler === undefined ? {} : { refreshHandler: () => `${handler}${++asked}` })
  } as Google.AuthorizedUser
}

const makers: Readonly<
  Record<string, (given: any, world: World) => Effect.Effect<Provider.Provider<any>, unknown, any>>
> = {
  user: (given) => Effect.succeed(Google.make(userOf(given))),
  info: ({ info, ...options }) => Effect.map(Google.fromAuthorizedUserInfo(info, options), Google.make),
  file: ({ file, ...options }) => Effect.map(Google.fromAuthorizedUserFile(file, options), Google.make),
  load: ({ info, ...options }) => Google.load(withKey(info), options),
  loadFile: ({ file, ...options }) => Google.loadFile(file, options),
  applicationDefault: (given) => Google.applicationDefault(given),
  gcloud: (given) => Effect.succeed(Google.gcloud(given)),
  apiKey: ({ key }) => Effect.succeed(Google.apiKey(key)),
  anonymous: () => Effect.succeed(Google.anonymous)
}

scenarios("google", {
  standIn: google,
  build: ({ engine, kind = "user", ...given }, world) => {
    const warnings: Array<string> = []
    const listening = Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ logLevel, message }) => {
        if (logLevel === LogLevel.Warning) warnings.push(String(message))
      })
    )
    return Effect.gen(function* () {
      programs(world.home)
      const provider: Provider.Provider<any> = yield* makers[kind]!(given, world) as Effect.Effect<any>
      const context = yield* Layer.build(
        Layer.provideMerge(
          AuthenticatedHttpClient.layer({ origins: [world.server] }),
          Google.layer<never>(provider as Provider.Provider, engine)
        )
      )
      const client = yield* Effect.provide(AuthenticatedHttpClient.AuthenticatedHttpClient, context)
      const credentials = yield* Effect.provide(Credentials.Credentials, context)
      const platform = yield* Effect.context<any>()
      const value = Effect.map(credentials.token, ({ accessToken }) => Redacted.value(accessToken))
      const get = (path: string) => client.get(world.server + path)
      const now = <A>(use: (token: Token.Token, now: DateTime.Utc) => A) =>
        Effect.flatMap(credentials.token, (token) => Effect.map(DateTime.now, (now) => use(token, now)))
      return {
        token: () => value,
        held: () =>
          Effect.map(credentials.current, (held) =>
            Option.getOrNull(Option.map(held, ({ accessToken }) => Redacted.value(accessToken)))
          ),
        parts: () =>
          now((token) => ({
            accessToken: Redacted.value(token.accessToken),
            refreshToken: Option.getOrNull(Option.map(token.refreshToken, Redacted.value)),
            hasIdToken: Option.isSome(token.idToken),
            scope: token.scope
          })),
        expiresIn: () =>
          Effect.map(credentials.token, ({ expiresAt, issuedAt }) =>
            Option.getOrNull(Option.map(expiresAt, (at) => Math.round(DateTime.distance(issuedAt, at) / 1000)))
          ),
        freshness: () =>
          Effect.map(Effect.all([credentials.current, DateTime.now]), ([held, now]) =>
            Option.isSome(held) ? Token.freshness(held.value, now, "225 seconds") : "None"
          ),
        maintain: () => credentials.maintain,
        renewed: () =>
          Effect.map(Effect.flatMap(credentials.token, credentials.renew), ({ accessToken }) =>
            Redacted.value(accessToken)
          ),
        key: () => Effect.succeed(Option.getOrNull(provider.key)),
        revoke: () => credentials.revoke,
        get: (path: string) => Effect.map(get(path), ({ status }) => ({ status })),
        names: (path: string) =>
          Effect.map(get(path), () =>
            Object.keys(world.seen.at(-1)!.headers).filter((name) => /authorization|^x-/.test(name))
          ),
        identified: (headers: Record<string, string>) =>
          Effect.map(
            HttpClient.mapRequest(client, Google.identify).get(`${world.server}/public`, { headers }),
            ({ status }) => ({ status })
          ),
        storm: (callers: number) =>
          Effect.map(
            Effect.all(
              Array.from({ length: callers }, () => value),
              { concurrency: "unbounded" }
            ),
            (values) => [...new Set(values)]
          ),
        seconds: () =>
          Effect.gen(function* () {
            const start = yield* DateTime.now
            yield* credentials.token
            return String(Math.round(DateTime.distance(start, yield* DateTime.now) / 1000))
          }),
        read: ({ file, ...options }: any) =>
          Effect.provide(Effect.map(Google.fromAuthorizedUserFile(file, options), revealed), platform),
        readInfo: ({ info, ...options }: any) => Effect.map(Google.fromAuthorizedUserInfo(info, options), revealed),
        copies: (user: any) =>
          Effect.sync(() => {
            const original = Object.freeze(userOf(user))
            return [
              Google.withQuotaProject(original, "q"),
              Google.withTokenUri(original, "https://id.example.com/token"),
              Google.withUniverseDomain(original, "apis.example.com"),
              Google.withAccount(original, "eve@example.com"),
              original
            ].map((copy) => ({ ...(revealed(copy) as object), refreshHandler: typeof copy.refreshHandler }))
          }),
        copied: () =>
          Effect.gen(function* () {
            const copy = Google.withQuotaProject(userOf(given), "another")
            const other = yield* Effect.scoped(
              Effect.flatMap(Credentials.make(Google.make(copy)), ({ token }) => token)
            ).pipe(Effect.provide(platform))
            return Redacted.value(other.accessToken)
          }),
        write: ({ file, info, strip }: any) =>
          Effect.gen(function* () {
            const token = yield* credentials.token
            const user = Google.withToken(yield* Google.fromAuthorizedUserInfo(info), token)
            fs.writeFileSync(file, Redacted.value(Google.toJson(user, { strip })))
          }),
        pairs: () =>
          Effect.promise(async () => {
            const { close, metadata } = Fetch.makeFetch(Layer.succeed(Credentials.Credentials, credentials), {
              origins: [world.server]
            })
            const pairs = await metadata()
            await close()
            return pairs
          }),
        explain: () => Effect.map((provider as Chain.Chain<any>).explain, Chain.format),
        project: (options: any) => Effect.provide(Effect.map(Google.projectId(options), Option.getOrNull), platform),
        windows: () =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              const real = Object.getOwnPropertyDescriptor(process, "platform")!
              Object.defineProperty(process, "platform", {
                value: "win32",
                configurable: true,
                enumerable: real.enumerable!
              })
              return real
            }),
            () =>
              Effect.map(
                Effect.flatMap(Google.applicationDefault(), ({ explain }) => explain),
                Chain.format
              ),
            (real) => Effect.sync(() => Object.defineProperty(process, "platform", real))
          ).pipe(Effect.provide(platform)),
        printed: () => {
          const lines: Array<string> = []
          const logger = Logger.make((options) => void lines.push(inspect(options, { depth: 8 })))
          return Effect.gen(function* () {
            yield* get("/things")
            const token = yield* credentials.token
            const text = lines.join("") + inspect([token, provider], { depth: 8 }) + JSON.stringify(token)
            return /s3cret|r3fresh|\ba1\b/.test(text) ? text : "nothing"
          }).pipe(
            Logger.withMinimumLogLevel(LogLevel.All),
            Effect.provide(Logger.replace(Logger.defaultLogger, logger))
          )
        },
        warned: () => Effect.map(Effect.zipRight(Effect.provide(value, listening), Effect.yieldNow()), () => warnings)
      }
    }).pipe(Effect.provide(Layer.merge(NodeContext.layer, listening)))
  }
})

it.scopedLive.skipIf(process.platform === "win32")(
  "a private key that others can read is warned of when it is loaded, no other file is (S096)",
  () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const warnings: Array<string> = []
      const listening = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void warnings.push(String(message)))
      )
      const robot = { type: "service_account", client_email: "r@p.iam.gserviceaccount.com", private_key: robotKey() }
      const workload = { type: "authorized_user", client_id: "me", client_secret: "s", refresh_token: "r" }
      for (const [file, members, mode] of [
        ["private.json", robot, 0o600],
        ["group.json", robot, 0o640],
        ["world.json", robot, 0o644],
        ["user.json", workload, 0o644]
      ] as const) {
        const where = path.join(directory, file)
        fs.writeFileSync(where, JSON.stringify(members))
        fs.chmodSync(where, mode)
        yield* Google.loadFile(where).pipe(Effect.provide([listening, NodeContext.layer]))
      }
      const keys = ["group.json", "world.json"].map((file) => path.join(directory, file))
      expect(warnings).toEqual(
        keys.map((file) => `Google: others on this machine can read the private key in ${file}: chmod 600`)
      )
    })
)
