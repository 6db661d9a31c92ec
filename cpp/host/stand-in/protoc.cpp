// protoc with the generator for C++ alone.
#include <google/protobuf/compiler/command_line_interface.h>
#include <google/protobuf/compiler/cpp/cpp_generator.h>

int main(int argc, char* argv[])
{
  google::protobuf::compiler::CommandLineInterface cli;
  google::protobuf::compiler::cpp::CppGenerator generator;
  cli.RegisterGenerator("--cpp_out", &generator, "C++");
  return cli.Run(argc, argv);
}
