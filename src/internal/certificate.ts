/**
 * X.509 certificates (RFC 5280), as far as a client needs to know its own: its thumbprints, when it is valid, and which key it is for. Nothing
 * here decides whom to trust.
 *
 * @module
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Signer } from "./jose.ts"
import * as Pem from "./pem.ts"

/** What is read of a certificate. Times are milliseconds since 1970. */
export interface Certificate {
  readonly der: Uint8Array<ArrayBuffer>
  readonly publicKey: Uint8Array<ArrayBuffer>
  readonly notBefore: number
  readonly notAfter: number
}

const expected = "a certificate in PEM"

/** The first certificate of a PEM text: in a chain that is one's own. */
export const parse = (pem: string): Either.Either<Certificate, string> => {
  const block = Pem.blocks(pem).find(({ label }) => label === "CERTIFICATE")
  const der = block === undefined ? undefined : Either.getOrUndefined(Pem.derOf(block))
  const certificate = der && read(der as Uint8Array<ArrayBuffer>)
  return certificate === undefined ? Either.left(expected) : Either.right(certificate)
}

/** RFC 5280 §4.1: certificate { tbs { [0] version, serial, algorithm, issuer, validity, subject, key, … }, … } */
const read = (der: Uint8Array<ArrayBuffer>): Certificate | undefined => {
  const outer = Pem.open(der, 0, 0x30)
  const tbs = outer && Pem.open(outer.value, 0, 0x30)?.value
  if (tbs === undefined) return undefined
  const version = Pem.open(tbs, 0, 0xa0)
  const serial = Pem.open(tbs, version?.next ?? 0, 0x02)
  const algorithm = serial && Pem.open(tbs, serial.next, 0x30)
  const issuer = algorithm && Pem.open(tbs, algorithm.next, 0x30)
  const validity = issuer && Pem.open(tbs, issuer.next, 0x30)
  const subject = validity && Pem.open(tbs, validity.next, 0x30)
  const key = subject && Pem.open(tbs, subject.next, 0x30)
  const from = validity && time(validity.value, 0)
  const to = from && time(validity.value, from.next)
  return key && to
    ? { der, publicKey: tbs.slice(subject.next, key.next), notBefore: from.millis, notAfter: to.millis }
    : undefined
}

/** UTCTime with its two digits of a year, or GeneralizedTime. */
const time = (der: Uint8Array, at: number): { readonly millis: number; readonly next: number } | undefined => {
  const short = Pem.open(der, at, 0x17)
  const found = short ?? Pem.open(der, at, 0x18)
  const text = String.fromCharCode(...(found?.value ?? []))
  // RFC 5280 §4.1.2.5.1: 50 and later is the last century.
  const whole = short === undefined ? text : `${text >= "5" ? "19" : "20"}${text}`
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(whole)?.slice(1).map(Number)
  if (found === undefined || parts === undefined) return undefined
  const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number]
  return { millis: Date.UTC(year, month - 1, day, hour, minute, second), next: found.next }
}

const hex = (bits: ArrayBuffer): string =>
  Array.from(new Uint8Array(bits), (octet) => octet.toString(16).padStart(2, "0")).join("")

/** What servers call a certificate by, in hexadecimal. */
export const thumbprints = ({ der }: Certificate): Effect.Effect<{ readonly sha1: string; readonly sha256: string }> =>
  Effect.promise(async () => ({
    sha1: hex(await crypto.subtle.digest("SHA-1", der)),
    sha256: hex(await crypto.subtle.digest("SHA-256", der))
  }))

/** Whether it is the certificate of this private key: what the one signs the other verifies. */
export const isOf = ({ publicKey }: Certificate, { key }: Signer): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    if (key instanceof Uint8Array) return false
    try {
      const how = { hash: "SHA-256", ...key.algorithm, saltLength: 32 }
      const pair = await crypto.subtle.importKey("spki", publicKey, how, false, ["verify"])
      const sample = new Uint8Array(32)
      return await crypto.subtle.verify(how, pair, await crypto.subtle.sign(how, key, sample), sample)
    } catch {
      return false
    }
  })
