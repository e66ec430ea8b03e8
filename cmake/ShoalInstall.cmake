# Installs the program, its documentation, example clusters and models, the
# shell completion and the service file: cmake --install BUILD --prefix PREFIX.
# Included after all targets are defined.

include(GNUInstallDirs)

if(TARGET shoal)
  install(TARGETS shoal RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET shoal AND NOT CMAKE_CROSSCOMPILING)
  # The program writes its completion itself, so it must run here.
  install(CODE "
    set(folder
      \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/bash-completion/completions\")
    file(MAKE_DIRECTORY \"\${folder}\")
    message(STATUS \"Installing: \${folder}/shoal\")
    execute_process(COMMAND \"$<TARGET_FILE:shoal>\" completion bash
      OUTPUT_FILE \"\${folder}/shoal\" COMMAND_ERROR_IS_FATAL ANY)")
endif()

install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs
  DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/cluster-configs
                  ${PROJECT_SOURCE_DIR}/models
  DESTINATION ${CMAKE_INSTALL_DATADIR}/shoal FILES_MATCHING
  PATTERN "*.textproto" PATTERN "*.gguf" PATTERN "*.md")

foreach(service serve worker)
  configure_file(${PROJECT_SOURCE_DIR}/packaging/shoal-${service}.service.in
    ${PROJECT_BINARY_DIR}/shoal-${service}.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/shoal-${service}.service
    DESTINATION lib/systemd/system)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/shoal-${service}.default
    DESTINATION ${CMAKE_INSTALL_DATADIR}/shoal)
endforeach()
