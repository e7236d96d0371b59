/** What the proto files say, at run time: for reflection, and for JSON. */
import {
  createFileRegistry,
  type DescFile,
  type DescMethod,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { descriptors } from "./generated/descriptors.ts";

export const schema: FileRegistry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, "base64")),
);

/** Every service's methods by path, "/package.Service/Method". */
export const methodSchemas: ReadonlyMap<string, DescMethod> = new Map(
  [...schema.files].flatMap((file: DescFile) =>
    file.services.flatMap((service) =>
      service.methods.map((method) => [`/${service.typeName}/${method.name}`, method] as const),
    ),
  ),
);
