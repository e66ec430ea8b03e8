# Installs the program, its documentation, the example clusters, the shell
# completion and the service file: cmake --install BUILD --prefix PREFIX.
# Included after all targets are defined.

include(GNUInstallDirs)

if(TARGET shoal)
  install(TARGETS shoal RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/
  DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/cluster-configs
  DESTINATION ${CMAKE_INSTALL_DATADIR}/shoal FILES_MATCHING
  PATTERN "*.textproto")
