import { assert, describe, it } from "@effect/vitest"
import * as path from "node:path"
import { beforeAll } from "vitest"
import { type Bundle, forBrowsers, keptOf } from "./support/bundle.ts"
import { joined, publicModules } from "./tools/modules.ts"

/** What an app uses of a module is unknown to us: these use all of it. */
const using = (imports: string, ...names: ReadonlyArray<string>): string =>
  `${imports}\nglobalThis.used = [${names.map((name) => `{ ...${name} }`).join(", ")}]`
const fromBarrel = (...names: ReadonlyArray<string>): string =>
  using(`import { ${names.join(", ")} } from "effect-credentials"`, ...names)
const fromSubpaths = (...names: ReadonlyArray<string>): string =>
  using(names.map((name) => `import * as ${name} from "effect-credentials/${name}"`).join("\n"), ...names)

const ours = ({ files }: Bundle) => files.filter((file) => file.startsWith("src/"))
const providers = ({ files }: Bundle) =>
  files.flatMap((file) => (file.startsWith("src/providers/") ? [path.posix.basename(file, ".ts")] : []))
const encrypting = ({ files }: Bundle) =>
  files.filter((file) => /\/jose\/.*(\/jwe\/|jwe_(en|de)crypt|content_encryption|key_management)/.test(file))

/** What a browser has no use for, and what is for one system. */
const elsewhere = [
  "browser",
  "certificate",
  "disk",
  "encryption",
  "jose",
  "lifeline",
  "loopback",
  "node",
  "page",
  "privateFile",
  "processLock",
  "program",
  "redis",
  "sessionBus",
  "terminal"
].map((name) => `src/internal/${name}.ts`)

const machine = ({ files }: Bundle) => files.filter((file) => elsewhere.includes(file))

/** What a client proves who it is with; what these need of jose is loaded when they need it. */
const signs = ["certificate", "jose"].map((name) => `src/internal/${name}.ts`)

/** What is there for those who ask for it. */
const notAskedFor = [
  ...["Chain", "DPoP", "Sources", "TokenStore", "WorkloadIdentity"],
  ...["internal/certificate", "internal/merged", "internal/pem"],
  ...["internal/record", "internal/settings", "internal/signing", "internal/textStore"],
  ...["protocol/Assertion", "protocol/AuthorizationRequest", "protocol/DeviceFlow", "protocol/IdTokenClaims"],
  ...["protocol/Login", "protocol/Proof"]
].map((name) => `src/${name}.ts`)

const app = ["AuthenticatedHttpClient", "ClientCredentials"] as const
/** As an app uses them, and nothing else of them. */
const client = `${app.map((name) => `import * as ${name} from "effect-credentials/${name}"`).join("\n")}
globalThis.used = [AuthenticatedHttpClient.AuthenticatedHttpClient, AuthenticatedHttpClient.layer, ClientCredentials.layer]`
const everyProvider = publicModules().flatMap(({ file }) =>
  file.startsWith("providers/") ? [path.posix.basename(file)] : []
)

/** Bundles what is ours alone, and jose: fast. */
const own = (program: string) =>
  forBrowsers(program, { without: ["effect", "@effect/platform", "ioredis", "@napi-rs/keyring"] })

describe.each([
  ["by subpath", fromSubpaths(...app)],
  ["from the barrel", fromBarrel(...app)]
])("a bundle of ClientCredentials and AuthenticatedHttpClient, %s", (_, program) => {
  let bundle: Bundle
  beforeAll(async () => {
    bundle = await forBrowsers(program)
  })

  it("has effect and the platform, and nothing of jose", () => {
    assert.deepStrictEqual(bundle.packages, ["@effect/platform", "effect"])
  })

  it("has that provider, no other, and no vendor", () => {
    assert.deepStrictEqual(providers(bundle), ["ClientCredentials"])
    assert.notInclude(ours(bundle).join(), "src/vendors/")
  })

  it("has nothing that needs a machine around it", () => {
    assert.deepStrictEqual(machine(bundle), [])
    assert.notMatch(bundle.code, /getBuiltinModule|["']node:/)
  })

  it("has its modules side by side: none is wrapped, as a bundler does with all that are imported when they are needed", () => {
    assert.notMatch(bundle.code, /__esm/)
  })
})

describe("a bundle of an authenticated client for client credentials", () => {
  it("has nothing that was not asked for", async () => {
    const bundle = await forBrowsers(client)
    assert.deepStrictEqual(
      ours(bundle).filter((file) => notAskedFor.includes(file)),
      []
    )
    // Nor of the modules that it has: what others are made of, and the errors that they fail with.
    assert.notMatch(
      bundle.code,
      /half configured|"TokenStoreError"|"ProfilesError"|"IdTokenError"|going on without the store/
    )
  })
})

describe("a program with an authenticated client for client credentials that nobody bundled", () => {
  it("loads nothing of jose, of files, of processes or of a browser", async () => {
    const { loaded } = await forBrowsers(client)
    assert.include(loaded, "src/Credentials.ts")
    assert.deepStrictEqual(
      loaded.filter((file) => /node_modules\/jose\/|\/(KeyValueStore|Path)\.js$/.test(file)),
      []
    )
    assert.deepStrictEqual(
      loaded.filter((file) => elsewhere.includes(file) && !signs.includes(file)),
      []
    )
    assert.notInclude(loaded, "src/TokenStore.ts")
  })
})

describe("a bundle from the barrel", () => {
  it("is the same as one by subpaths", async () => {
    assert.deepStrictEqual((await own(fromBarrel(...app))).files, (await own(fromSubpaths(...app))).files)
  })

  it.each(everyProvider)("of %s has no other provider, and nothing that encrypts", async (name) => {
    const bundle = await own(fromBarrel(name))
    assert.deepStrictEqual(providers(bundle), [name])
    assert.deepStrictEqual(encrypting(bundle), [])
  })
})

describe("a bundle of a token store", () => {
  const of = (name: string) => own(`import { ${name} } from "effect-credentials/TokenStore"\nglobalThis.used = ${name}`)

  it("in memory has nothing of files, nor of jose", async () => {
    const bundle = await of("layerMemory")
    assert.deepStrictEqual(machine(bundle), [])
    assert.deepStrictEqual(bundle.packages, [])
  })

  it("of files has nothing of jose; of encrypted files it has what encrypts", async () => {
    assert.deepStrictEqual((await of("layerFile")).packages, [])
    assert.isNotEmpty(encrypting(await of("layerEncryptedFile")))
  })
})

describe("what the build joins in one file", () => {
  it.each(Object.entries(joined()))(
    "does nothing when it is loaded, so that a bundler keeps nothing unused of it: %s",
    async (_, sources) => {
      assert.deepStrictEqual(await keptOf(sources), [])
    }
  )
})

describe("these tests", () => {
  it("see what needs a machine where it is asked for", async () => {
    const names = ["AuthorizationCode", "ClientCertificate", "Command", "DeviceAuthorization", "KeyRing", "Redis"]
    const seen = machine(await own(fromSubpaths(...names, "TokenStore")))
    assert.deepStrictEqual(seen, elsewhere)
  })

  it("see what is kept of a module that does something when it is loaded", async () => {
    assert.include(await keptOf(["internal/node.ts"]), "src/internal/node.ts")
  })
})
