// Reads every .eml of a folder with npm mailparser and prints what a mail client would see, as JSON by file name.
import { createReadStream, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { domainToASCII } from "node:url";

const require = createRequire(import.meta.url);
const { simpleParser } = require("mailparser");
const { Splitter } = require("@zone-eu/mailsplit");

// mailparser shows domains as U-labels; what stands in the mail is the A-label.
const onTheWire = (address) => address.replace(/@(.*)$/, (_, domain) => `@${domainToASCII(domain)}`);
const mailboxes = (field) => (field ? field.value.map(({ name, address }) => [name, onTheWire(address)]) : []);

// Each part as [type, [its parts]]; the root has no parent.
const tree = (path) =>
  new Promise((resolve, reject) => {
    const shapes = new Map();
    const splitter = new Splitter();
    splitter.on("data", (data) => {
      if (data.type !== "node") return;
      const shape = [data.contentType, []];
      shapes.set(data, shape);
      const parent = shapes.get(data.parentNode);
      if (parent) parent[1].push(shape);
      else shapes.set("root", shape);
    });
    splitter.on("error", reject);
    splitter.on("end", () => resolve(shapes.get("root")));
    createReadStream(path).pipe(splitter);
  });

const [folder] = process.argv.slice(2);
const seen = {};
for (const file of readdirSync(folder).filter((name) => name.endsWith(".eml"))) {
  const path = join(folder, file);
  const mail = await simpleParser(readFileSync(path), { skipTextToHtml: true, skipHtmlToText: true, skipImageLinks: true });
  const list = mail.headers.get("list") ?? {};
  seen[file] = {
    tree: await tree(path),
    subject: mail.subject,
    from: mailboxes(mail.from),
    to: mailboxes(mail.to),
    reply_to: mailboxes(mail.replyTo),
    date: mail.date.toISOString(),
    message_id: mail.messageId,
    unsubscribe: list.unsubscribe?.url ?? null,
    text: mail.text,
    html: mail.html,
  };
}
process.stdout.write(JSON.stringify(seen));
