/**
 * A command-line tool that remembers who logged in: `npx tsx examples/cli-login.ts`, then `login`, `whoami` or `logout`.
 *
 * Without a command it starts a real authorization server on this machine and shows them all, one process after the other, logging in by itself. For
 * a server of yours set ISSUER, CLIENT_ID and SCOPE, or write them into a profile (`examples/profiles.ts`). With STORE_PASSPHRASE set, what is
 * remembered is encrypted. No token is ever printed.
 */
import { FetchHttpClient } from "@effect/platform"
import { Config, Data, Effect, Layer, Option } from "effect"
import { Credentials, DeviceAuthorization, Jwt, Profiles, Provider, type Token, TokenStore } from "effect-credentials"
import { argv } from "node:process"
import { decide, deviceServer } from "./support/deviceServer.ts"
import { temporaryDirectory } from "./support/directory.ts"
import { program } from "./support/programs.ts"
import { say } from "./support/terminal.ts"

class Usage extends Data.TaggedError("Usage")<{ readonly message: string }> {}

class NotLoggedIn extends Data.TaggedError("NotLoggedIn")<{ readonly message: string }> {}

/** Where tokens outlive the process. */
const Store = Layer.unwrapEffect(
  Effect.map(Config.option(Config.redacted("STORE_PASSPHRASE")), (passphrase) =>
    Option.match(passphrase, {
      onNone: () => TokenStore.layerFile(),
      onSome: (passphrase) => TokenStore.layerEncryptedFile({ key: { passphrase } })
    })
  )
)

/** The login: remembered, renewed by whichever process needs it, and a person is asked only where that is allowed. */
const Login = (interaction: "allowed" | "forbidden") =>
  Layer.unwrapEffect(
    Effect.map(DeviceAuthorization.fromConfig({}, { parameters: { prompt: "consent" } }), (device) => {
      const acquire: typeof device.acquire = (need) =>
        device.acquire(interaction === "allowed" ? need : { ...need, interaction })
      return Credentials.layer(Provider.persisted(Provider.make({ ...device, acquire })))
    })
  ).pipe(
    Layer.provide(Store),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Profiles.layerSources()),
    Layer.provide(Profiles.layerFile())
  )

const nameIn = ({ idToken }: Token.Token): string =>
  Option.flatMap(idToken, (idToken) => Option.getRight(Jwt.decode(idToken))).pipe(
    Option.map(({ claims }) => String(claims["sub"])),
    Option.getOrElse(() => "somebody")
  )

const login = Effect.gen(function* () {
  const { token } = yield* Credentials.Credentials
  say(`Logged in as ${nameIn(yield* token)}.`)
}).pipe(Effect.provide(Login("allowed")))

const whoami = Effect.gen(function* () {
  const { token } = yield* Credentials.Credentials
  say(`You are ${nameIn(yield* token)}.`)
}).pipe(
  Effect.catchIf(
    (error) => error._tag === "RefreshError" && error.reason._tag === "Interaction",
    () => new NotLoggedIn({ message: "nobody is logged in here: login" })
  ),
  Effect.provide(Login("forbidden"))
)

const logout = Effect.gen(function* () {
  const { revoke } = yield* Credentials.Credentials
  yield* revoke
  say("Logged out, here and at the server.")
}).pipe(Effect.provide(Login("forbidden")))

/** Each command in a process of its own, against a server that knows nobody else. */
const demonstration = Effect.gen(function* () {
  const server = yield* deviceServer
  const environment = {
    ISSUER: server.issuer,
    CLIENT_ID: server.clientId,
    SCOPE: "openid offline_access",
    EFFECT_CREDENTIALS_STORE: yield* temporaryDirectory
  }
  const visited = new Set<string>()
  for (const command of ["whoami", "login", "whoami", "logout", "whoami"]) {
    say(`$ cli-login ${command}`)
    yield* program([command], environment, (line) => {
      say(`  ${line}`)
      const address = /http:\S+user_code=\S+/.exec(line)?.[0]
      if (address === undefined || visited.has(address)) return
      visited.add(address)
      void decide(address, "approve")
    })
  }
}).pipe(Effect.scoped)

type Failure = Usage | Effect.Effect.Error<typeof login | typeof whoami | typeof logout>

const commands = Effect.suspend((): Effect.Effect<void, Failure> => {
  const [command, ...rest] = argv.slice(2)
  if (rest.length > 0) return usage
  switch (command) {
    case undefined:
      return demonstration
    case "login":
      return login
    case "whoami":
      return whoami
    case "logout":
      return logout
    default:
      return usage
  }
})

const usage = new Usage({ message: "give login, whoami or logout, or nothing for a demonstration" })

await commands.pipe(
  Effect.as(0),
  Effect.catchAll((error) => Effect.sync(() => say(`${error._tag}: ${error.message}`)).pipe(Effect.as(1))),
  Effect.map((code) => (process.exitCode = code)),
  Effect.runPromise
)
